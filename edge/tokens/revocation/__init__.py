"""What is revoked before it ends: known in every worker of every edge within a second."""
