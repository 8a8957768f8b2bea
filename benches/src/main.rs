//! What recording and export cost, beside what the peers cost.
fn main() {}
