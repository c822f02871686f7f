//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677): a password is checked and never travels. Pure: salt and nonce are handed in.
//!
//! For PostgreSQL's wire and Kafka's, which put the same messages into frames of their own. No channel binding.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub const MECHANISM: &str = "SCRAM-SHA-256";
/// The least that RFC 7677 allows, and what PostgreSQL and Kafka take.
pub const ITERATIONS: u32 = 4_096;
/// More only keeps the server busy: a verifier with more is refused.
const MAX_ITERATIONS: u32 = 1_000_000;
const KEY_BYTES: usize = 32;

/// What the server keeps of a password.
#[derive(Clone)]
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// Says nothing of the keys.
impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Verifier {
    /// `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`, as PostgreSQL writes it; `None` for anything else.
    pub fn parse(text: &str) -> Option<Verifier> {
        let (iterations, rest) = text.strip_prefix(MECHANISM)?.strip_prefix('$')?.split_once(':')?;
        let (salt, keys) = rest.split_once('$')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let iterations = iterations.parse().ok().filter(|n| (1..=MAX_ITERATIONS).contains(n))?;
        let key = |text: &str| STANDARD.decode(text).ok().filter(|key| key.len() == KEY_BYTES);
        let (stored_key, server_key) = (key(stored_key)?, key(server_key)?);
        Some(Verifier { iterations, salt: STANDARD.decode(salt).ok()?, stored_key, server_key })
    }

    /// Of a password whose bytes are taken as they are, as Kafka does.
    pub fn derive(password: &[u8], salt: &[u8]) -> Option<Verifier> {
        Verifier::derive_with(password, salt, ITERATIONS)
    }

    /// That no password matches: for a user who does not exist and must not look different.
    pub fn decoy(salt: &[u8]) -> Verifier {
        Verifier { iterations: ITERATIONS, salt: salt.to_vec(), stored_key: Vec::new(), server_key: Vec::new() }
    }

    /// Whether it is this password, sent in the clear. Takes as long for a near miss as for a far one.
    pub fn matches(&self, password: &[u8]) -> bool {
        // both sides are hashes: comparing them in ordinary time tells nothing about the password
        Verifier::derive_with(password, &self.salt, self.iterations)
            .is_some_and(|other| other.stored_key == self.stored_key)
    }

    fn derive_with(password: &[u8], salt: &[u8], iterations: u32) -> Option<Verifier> {
        // PBKDF2 with one block, which is as long as the hash
        let mut block = mac(password, &[salt, &[0, 0, 0, 1]].concat())?;
        let mut salted = block.clone();
        for _ in 1..iterations {
            block = mac(password, &block)?;
            salted.iter_mut().zip(&block).for_each(|(sum, byte)| *sum ^= byte);
        }
        Some(Verifier {
            iterations,
            salt: salt.to_vec(),
            stored_key: Sha256::digest(mac(&salted, b"Client Key")?).to_vec(),
            server_key: mac(&salted, b"Server Key")?,
        })
    }
}

/// The user that a client's first message names; empty if it leaves that to the protocol around it. `None`: malformed.
pub fn user(client_first: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(client_first).ok()?;
    let name = text.splitn(3, ',').nth(2)?.split(',').next()?.strip_prefix("n=")?;
    Some(name.replace("=2C", ",").replace("=3D", "="))
}

/// One authentication, between the two messages of the client.
#[derive(Debug)]
pub struct Exchange {
    gs2_header: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

impl Exchange {
    /// Answers the client's first message. `None`: malformed, or it asks for channel binding.
    pub fn start(client_first: &[u8], server_nonce: &str, verifier: &Verifier) -> Option<(Exchange, String)> {
        let text = std::str::from_utf8(client_first).ok()?;
        let bare_at = text.match_indices(',').nth(1)?.0 + 1;
        let (gs2_header, bare) = text.split_at(bare_at);
        if !gs2_header.starts_with("n,") && !gs2_header.starts_with("y,") {
            return None;
        }
        let client_nonce = bare.split(',').find_map(|part| part.strip_prefix("r="))?;
        let nonce = format!("{client_nonce}{server_nonce}");
        let server_first = format!("r={nonce},s={},i={}", STANDARD.encode(&verifier.salt), verifier.iterations);
        let exchange = Exchange {
            gs2_header: gs2_header.to_owned(),
            client_first_bare: bare.to_owned(),
            server_first: server_first.clone(),
            nonce,
        };
        Some((exchange, server_first))
    }

    /// The server's last message, if the client has proved that it knows the password.
    pub fn finish(&self, client_final: &[u8], verifier: &Verifier) -> Option<String> {
        let text = std::str::from_utf8(client_final).ok()?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut parts = without_proof.split(',');
        let binding = STANDARD.decode(parts.next()?.strip_prefix("c=")?).ok()?;
        if binding != self.gs2_header.as_bytes() || parts.next()?.strip_prefix("r=")? != self.nonce {
            return None;
        }
        let message = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let signature = mac(&verifier.stored_key, message.as_bytes())?;
        let proof = STANDARD.decode(proof).ok()?;
        if proof.len() != signature.len() {
            return None;
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        // both sides are hashes: comparing them in ordinary time tells nothing about the password
        if Sha256::digest(&client_key).as_slice() != verifier.stored_key {
            return None;
        }
        Some(format!("v={}", STANDARD.encode(mac(&verifier.server_key, message.as_bytes())?)))
    }
}

fn mac(key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(message);
    Some(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// RFC 7677, section 3: user "user", password "pencil".
    #[test]
    fn the_example_of_the_rfc() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::derive(b"pencil", &salt).unwrap();
        let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        assert_eq!(user(first).as_deref(), Some("user"));
        let (exchange, answer) = Exchange::start(first, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", &verifier).unwrap();
        assert_eq!(answer, "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let accepted = exchange.finish(last.as_bytes(), &verifier);
        assert_eq!(accepted.as_deref(), Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert_eq!(exchange.finish(last.replace("dHzb", "dHzc").as_bytes(), &verifier), None);
        assert!(verifier.matches(b"pencil") && !verifier.matches(b"Pencil"));
    }

    #[test]
    fn malformed_messages_are_refused() {
        let verifier = Verifier::derive(b"x", b"salt").unwrap();
        for bad in ["", "n,,", "n,", "p=tls-unique,,n=,r=abc", "n,,n=ann"] {
            assert!(Exchange::start(bad.as_bytes(), "s", &verifier).is_none(), "{bad}");
        }
        let (exchange, _) = Exchange::start(b"n,,n=,r=abc", "s", &verifier).expect("well formed");
        for bad in ["", "c=biws,r=abcs", "c=biws,r=abcs,p=", "c=xx,r=abcs,p=AAAA", "c=biws,r=other,p=AAAA"] {
            assert!(exchange.finish(bad.as_bytes(), &verifier).is_none(), "{bad}");
        }
        for bad in
            ["", "md5abc", "SCRAM-SHA-256$", "SCRAM-SHA-256$0:c2FsdA==$AAAA:AAAA", "SCRAM-SHA-256$4096:c2FsdA==$AA"]
        {
            assert!(Verifier::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn names_are_unescaped() {
        assert_eq!(user(b"n,,n=a=2Cb=3Dc,r=x").as_deref(), Some("a,b=c"));
        assert_eq!(user(b"n,,r=x"), None);
    }
}
