"""The books: where every device-second, joule and token went."""
