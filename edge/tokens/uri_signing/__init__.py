"""RFC 9246: URI signing for CDN interconnection."""
