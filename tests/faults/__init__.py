"""A real server under load, done every wrong that a site may do to it: ``make soak``, and a short form in the tests."""
