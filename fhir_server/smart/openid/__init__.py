"""People who sign in at an OpenID provider that the hospital has, such as Keycloak or Entra ID.

docs/openid-provider.md tells how it is set up.
"""
