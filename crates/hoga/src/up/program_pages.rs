//! The pages of the program's own file that this process has mapped, given back to the kernel's cache.
//!
//! A start runs through much code that never runs again: planning, opening, connecting. Its pages stay in the process's
//! resident memory, though the kernel could drop them any time. What is needed later is mapped again, from the cache, by a page
//! fault of a microsecond (docs/decisions/0010-allocator.md has the measurements).

#![allow(unsafe_code, reason = "the one way to tell the kernel is madvise")]

/// How many bytes of address space were given back; 0 where there is no /proc.
#[cfg(target_os = "linux")]
pub fn give_back() -> usize {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let program = std::fs::read_link("/proc/self/exe").unwrap_or_default();
    let mut given = 0;
    for (start, bytes) in unchanged_mappings(&smaps, &program.to_string_lossy()) {
        // SAFETY: the mapping is of a file and cannot be written: its pages hold what the file holds, and are read again
        // from there when they are touched. Nothing is unmapped.
        if unsafe { libc::madvise(start as *mut libc::c_void, bytes, libc::MADV_DONTNEED) } == 0 {
            given += bytes;
        }
    }
    given
}

#[cfg(not(target_os = "linux"))]
pub fn give_back() -> usize {
    0
}

/// Start and length of each mapping of the file whose pages are what the file holds: never writable, and none of them a
/// private copy. The constants that the loader relocated are read-only too, but copies, which would be lost.
#[cfg(any(target_os = "linux", test))]
fn unchanged_mappings(smaps: &str, program: &str) -> Vec<(usize, usize)> {
    let mut mappings = Vec::new();
    let mut candidate = None;
    for line in smaps.lines() {
        if let Some(kilobytes) = line.strip_prefix("Anonymous:") {
            mappings.extend(candidate.take().filter(|_| kilobytes.trim() == "0 kB"));
        } else if let Some(range) = mapping_of(line, program) {
            candidate = Some(range);
        }
    }
    mappings
}

/// From a mapping's first line: `start-end permissions offset device inode path`.
#[cfg(any(target_os = "linux", test))]
fn mapping_of(line: &str, program: &str) -> Option<(usize, usize)> {
    let (place, path) = line.split_at_checked(line.find('/')?)?;
    let mut fields = place.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let is_read_only = fields.next()?.starts_with("r-");
    let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16).ok());
    (is_read_only && path == program).then_some((start?, end?.checked_sub(start?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
1000-3000 r--p 00000000 fe:00 7    /opt/hoga
Rss:                   8 kB
Anonymous:             0 kB
3000-9000 r-xp 00002000 fe:00 7    /opt/hoga
Anonymous:             0 kB
9000-a000 r--p 00008000 fe:00 7    /opt/hoga
Anonymous:             4 kB
a000-b000 rw-p 00009000 fe:00 7    /opt/hoga
Anonymous:             0 kB
b000-c000 rw-p 00000000 00:00 0
Anonymous:             0 kB
c000-d000 r-xp 00000000 fe:00 9    /lib/libc.so.6
Anonymous:             0 kB
";

    #[test]
    fn only_what_the_file_holds_is_given_back() {
        assert_eq!(unchanged_mappings(SMAPS, "/opt/hoga"), [(0x1000, 0x2000), (0x3000, 0x6000)]);
        assert_eq!(unchanged_mappings(SMAPS, "/opt/other"), []);
        assert_eq!(unchanged_mappings("what is this", "/opt/hoga"), []);
    }

    #[test]
    fn a_program_goes_on_without_its_pages() {
        let given = give_back();
        assert_eq!(given > 0, cfg!(target_os = "linux"));
        // code and constants are there again
        assert_eq!(format!("{SMAPS:?}").matches("/opt/hoga").count(), 4);
    }
}
