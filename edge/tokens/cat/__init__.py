"""Common Access Tokens (CTA-5007): CBOR Web Tokens (RFC 8392) in COSE (RFC 9052)."""
