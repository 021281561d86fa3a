"""What alert rules of zone.yaml may say: the scopes, their indicators, and expressions over them."""
