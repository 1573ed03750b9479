"""Go's text/template, as far as chat templates use it, to Jinja."""
