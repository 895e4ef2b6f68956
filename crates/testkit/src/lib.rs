//! A database per test, a broker per test, a clock in hand.
