"""What each word after ``forecaster`` does; imported when it is run, so that ``--help`` stays instant."""
