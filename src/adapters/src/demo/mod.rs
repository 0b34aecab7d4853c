//! The built-in demo provider.
