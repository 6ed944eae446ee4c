"""Search: one file per parameter type, each holding what is indexed and how it is asked."""
