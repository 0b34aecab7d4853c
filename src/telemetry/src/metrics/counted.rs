//! What is counted for as long as it is there.

use prometheus::IntGauge;

/// A place in a gauge; counted until it is dropped.
#[derive(Debug)]
pub struct Counted(IntGauge);

impl Counted {
    pub(super) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
