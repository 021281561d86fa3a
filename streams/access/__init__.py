"""How to get in at the broker: protocols, certificates, passwords, and who may do what."""
