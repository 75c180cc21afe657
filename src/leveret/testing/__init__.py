"""What tests of Leveret and of its backends need: conformance suites and private servers."""
