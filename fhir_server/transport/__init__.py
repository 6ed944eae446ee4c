"""What stands between the network and the application: TLS, proxies, limits, and headers on every answer."""
