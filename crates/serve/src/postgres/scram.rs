//! The password of the PostgreSQL wire as a verifier of SCRAM-SHA-256.

use hoga_model::scram::Verifier;

/// Prepared as PostgreSQL's clients prepare what was typed (RFC 4013).
pub(super) fn verifier(password: &str) -> Verifier {
    let text = postgres_protocol::password::scram_sha_256(password.as_bytes());
    // it is what is parsed; were it otherwise, no password would be right
    Verifier::parse(&text).unwrap_or_else(|| Verifier::decoy(&[]))
}

#[cfg(test)]
mod tests {
    use hoga_model::scram::Exchange;

    use super::verifier;

    /// The client's side, from the crate that real clients use.
    fn attempt(server: &str, client: &str) -> bool {
        let verifier = verifier(server);
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
}
