//! Texts.

use super::check;
use expect_test::expect;

#[test]
fn texts() {
    check(
        &[
            "UPPER(s)",
            "LOWER(s)",
            "INITCAP('hello wORLD-foo bar_baz 1abc')",
            "TRIM('  a ')",
            "TRIM(BOTH 'xy' FROM 'xyaxyx')",
            "TRIM(LEADING 'x' FROM 'xax')",
            "CHAR_LENGTH(u)",
            "SUBSTRING(s FROM 5)",
            "SUBSTRING('abcdef' FROM 0 FOR 2)",
            "SUBSTRING('abcdef' FROM -2)",
            "SUBSTRING('abcdef' FROM 7)",
            "SUBSTRING(u, 2, 2)",
            "SUBSTRING('abc' FROM 1 FOR -1)",
            "LEFT(u, 2)",
            "RIGHT(s, 3)",
            "POSITION('-' IN s)",
            "LOCATE('a', 'banana', 3)",
            "INSTR(s, 'BTC')",
            "REPLACE(s, '-', '/')",
            "s || '!'",
            "s || n",
            "'a' || i",
            "CONCAT(s, '-', u)",
            "CONCAT_WS('-', s, n, u)",
            "LPAD('7', 3, '0')",
            "RPAD('abc', 2, 'x')",
            "REPEAT('ab', 3)",
            "REPEAT('ab', 0)",
            "SPLIT_INDEX(s, '-', 1)",
            "SPLIT_INDEX(s, '-', 2)",
            "REGEXP_EXTRACT(s, '([A-Z]+)-([A-Z]+)', 2)",
            "REGEXP_EXTRACT(s, 'x')",
            "REGEXP_REPLACE(s, '[A-Z]+', '<$1>')",
            "REGEXP(s, '^KRW')",
            "s LIKE 'KRW-%'",
            "s LIKE '%X%'",
            "'a%c' LIKE 'a!%c' ESCAPE '!'",
            "s NOT LIKE n",
            "OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6)",
            "REVERSE(u)",
            "MD5(s)",
            "ASCII('a')",
            "CHR(97)",
            "STARTSWITH(s, 'KRW')",
            "ENDSWITH(s, 'X')",
            "TRANSLATE(s, 'KB', 'k')",
        ],
        expect![[r#"
            UPPER(s) → STRING = KRW-BTC
            LOWER(s) → STRING = krw-btc
            INITCAP('hello wORLD-foo bar_baz 1abc') → STRING = Hello World-Foo Bar_Baz 1abc
            TRIM('  a ') → STRING = a
            TRIM(BOTH 'xy' FROM 'xyaxyx') → STRING = a
            TRIM(LEADING 'x' FROM 'xax') → STRING = ax
            CHAR_LENGTH(u) → INT = 4
            SUBSTRING(s FROM 5) → STRING = BTC
            SUBSTRING('abcdef' FROM 0 FOR 2) → STRING = ab
            SUBSTRING('abcdef' FROM -2) → STRING = ef
            SUBSTRING('abcdef' FROM 7) → STRING = 
            SUBSTRING(u, 2, 2) → STRING = 나다
            SUBSTRING('abc' FROM 1 FOR -1) → STRING = NULL
            LEFT(u, 2) → STRING = 가나
            RIGHT(s, 3) → STRING = BTC
            POSITION('-' IN s) → INT = 4
            LOCATE('a', 'banana', 3) → INT = 4
            INSTR(s, 'BTC') → INT = 5
            REPLACE(s, '-', '/') → STRING = KRW/BTC
            s || '!' → STRING = KRW-BTC!
            s || n → STRING = NULL
            'a' || i → ! argument 2 of || is a STRING, and this is INT
            CONCAT(s, '-', u) → STRING = KRW-BTC-가나다라
            CONCAT_WS('-', s, n, u) → STRING = KRW-BTC-가나다라
            LPAD('7', 3, '0') → STRING = 007
            RPAD('abc', 2, 'x') → STRING = ab
            REPEAT('ab', 3) → STRING = ababab
            REPEAT('ab', 0) → STRING = 
            SPLIT_INDEX(s, '-', 1) → STRING = BTC
            SPLIT_INDEX(s, '-', 2) → STRING = NULL
            REGEXP_EXTRACT(s, '([A-Z]+)-([A-Z]+)', 2) → STRING = BTC
            REGEXP_EXTRACT(s, 'x') → STRING = NULL
            REGEXP_REPLACE(s, '[A-Z]+', '<$1>') → STRING = <$1>-<$1>
            REGEXP(s, '^KRW') → BOOLEAN = TRUE
            s LIKE 'KRW-%' → BOOLEAN = TRUE
            s LIKE '%X%' → BOOLEAN = FALSE
            'a%c' LIKE 'a!%c' ESCAPE '!' → BOOLEAN = TRUE
            s NOT LIKE n → BOOLEAN = NULL
            OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6) → STRING = xxxxxxxxx
            REVERSE(u) → STRING = 라다나가
            MD5(s) → CHAR(32) = a97f735eb20b5dc4e5dd91873f252f7a
            ASCII('a') → INT = 97
            CHR(97) → STRING = a
            STARTSWITH(s, 'KRW') → BOOLEAN = TRUE
            ENDSWITH(s, 'X') → BOOLEAN = FALSE
            TRANSLATE(s, 'KB', 'k') → STRING = kRW-TC
        "#]],
    );
}
