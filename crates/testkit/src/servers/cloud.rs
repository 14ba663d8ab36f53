//! What stands in for the object stores of clouds.
