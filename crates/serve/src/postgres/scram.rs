//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677): a password is checked and never travels. Pure.
//!
//! No channel binding: it needs TLS, which this listener does not speak.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

/// What the server keeps of a password.
pub(super) struct Verifier {
    iterations: String,
    salt: String,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Verifier {
    pub(super) fn new(password: &str) -> Verifier {
        // SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>; were it otherwise, no password would be right
        let text = postgres_protocol::password::scram_sha_256(password.as_bytes());
        let parts: Vec<&str> = text.split(['$', ':']).collect();
        let part = |index: usize| parts.get(index).copied().unwrap_or_default();
        let key = |index: usize| STANDARD.decode(part(index)).unwrap_or_default();
        Verifier { iterations: part(1).to_owned(), salt: part(2).to_owned(), stored_key: key(3), server_key: key(4) }
    }
}

/// One authentication, between the two messages of the client.
#[derive(Debug)]
pub(super) struct Exchange {
    gs2_header: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

impl Exchange {
    /// Answers the client's first message. `None`: malformed, or it asks for channel binding.
    pub(super) fn start(client_first: &[u8], server_nonce: &str, verifier: &Verifier) -> Option<(Exchange, String)> {
        let text = std::str::from_utf8(client_first).ok()?;
        let bare_at = text.match_indices(',').nth(1)?.0 + 1;
        let (gs2_header, bare) = text.split_at(bare_at);
        if !gs2_header.starts_with("n,") && !gs2_header.starts_with("y,") {
            return None;
        }
        let client_nonce = bare.split(',').find_map(|part| part.strip_prefix("r="))?;
        let nonce = format!("{client_nonce}{server_nonce}");
        let server_first = format!("r={nonce},s={},i={}", verifier.salt, verifier.iterations);
        let exchange = Exchange {
            gs2_header: gs2_header.to_owned(),
            client_first_bare: bare.to_owned(),
            server_first: server_first.clone(),
            nonce,
        };
        Some((exchange, server_first))
    }

    /// The server's last message, if the client has proved that it knows the password.
    pub(super) fn finish(&self, client_final: &[u8], verifier: &Verifier) -> Option<String> {
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
    use super::*;

    /// The client's side, from the crate that real clients use.
    fn attempt(server: &str, client: &str) -> bool {
        let verifier = Verifier::new(server);
        let mut sasl = postgres_protocol::authentication::sasl::ScramSha256::new(
            client.as_bytes(),
            postgres_protocol::authentication::sasl::ChannelBinding::unsupported(),
        );
        let (exchange, first) = Exchange::start(sasl.message(), "c2VydmVy", &verifier).expect("a first message");
        sasl.update(first.as_bytes()).expect("the client takes our first message");
        match exchange.finish(sasl.message(), &verifier) {
            Some(last) => sasl.finish(last.as_bytes()).is_ok(),
            None => false,
        }
    }

    #[test]
    fn the_right_password_and_a_wrong_one() {
        assert!(attempt("호가 secret", "호가 secret"));
        assert!(!attempt("secret", "Secret"));
    }

    #[test]
    fn malformed_messages_are_refused() {
        let verifier = Verifier::new("x");
        for bad in ["", "n,,", "n,", "p=tls-unique,,n=,r=abc", "n,,n=ann"] {
            assert!(Exchange::start(bad.as_bytes(), "s", &verifier).is_none(), "{bad}");
        }
        let (exchange, _) = Exchange::start(b"n,,n=,r=abc", "s", &verifier).expect("well formed");
        for bad in ["", "c=biws,r=abcs", "c=biws,r=abcs,p=", "c=xx,r=abcs,p=AAAA", "c=biws,r=other,p=AAAA"] {
            assert!(exchange.finish(bad.as_bytes(), &verifier).is_none(), "{bad}");
        }
    }
}
