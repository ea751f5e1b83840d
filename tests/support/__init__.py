"""What tests share: a broker, a tiny model, fakes."""
