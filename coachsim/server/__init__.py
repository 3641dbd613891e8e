"""The site's server: one front door for sign-in, the API, the event stream, the agent's page and the desk."""
