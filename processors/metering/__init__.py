"""One partition: readings are taken in, folded and closed into interval rows."""
