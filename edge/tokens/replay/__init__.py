"""Tokens that open one session: who comes first."""
