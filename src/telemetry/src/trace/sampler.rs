//! Which traces are recorded: `OTEL_TRACES_SAMPLER`.

use super::context::TraceContext;

/// What decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Whether whoever called has decided already, if there was somebody.
    pub(crate) by_parent: bool,
    /// The part of the others, from 0 to 1.
    pub(crate) ratio: f64,
}

impl Default for Sampler {
    fn default() -> Self {
        Self { by_parent: true, ratio: 1.0 }
    }
}

impl Sampler {
    /// By the words of the specification; `ratio`: of `OTEL_TRACES_SAMPLER_ARG`. `None` for another word.
    pub fn named(name: &str, ratio: f64) -> Option<Self> {
        let (by_parent, rest) = match name.strip_prefix("parentbased_") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let ratio = match rest {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => ratio.clamp(0.0, 1.0),
            _ => return None,
        };
        Some(Self { by_parent, ratio })
    }

    /// Whether a trace with this id is recorded. All who use the same ratio decide alike.
    pub(super) fn takes(self, parent: Option<&TraceContext>, trace_id: &[u8; 16]) -> bool {
        if let (true, Some(parent)) = (self.by_parent, parent) {
            return parent.sampled;
        }
        let [_, _, _, _, _, _, _, _, low @ ..] = *trace_id;
        // The lower 63 bits, as a part of all there are.
        let place = (u64::from_be_bytes(low) >> 1) as f64 / (1_u64 << 63) as f64;
        place < self.ratio
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_specification_are_known() {
        let check = |name: &str, want: Option<(bool, f64)>| {
            let got = Sampler::named(name, 0.25).map(|sampler| (sampler.by_parent, sampler.ratio));
            assert_eq!(got, want, "{name}");
        };
        check("always_on", Some((false, 1.0)));
        check("parentbased_always_off", Some((true, 0.0)));
        check("parentbased_traceidratio", Some((true, 0.25)));
        check("jaeger_remote", None);
    }

    #[test]
    fn a_ratio_is_a_part_of_all_traces() {
        let sampler = Sampler::named("traceidratio", 0.25).unwrap();
        let taken = (0..10_000).filter(|_| sampler.takes(None, &fastrand::u128(..).to_be_bytes())).count();
        assert!((2_000..3_000).contains(&taken), "{taken}");
    }

    #[test]
    fn a_parent_has_decided() {
        let parent = |flags: &str| {
            let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            TraceContext::parse(&text, None).unwrap()
        };
        let all = Sampler::default();
        assert!(!all.takes(Some(&parent("00")), &[1; 16]) && all.takes(Some(&parent("01")), &[1; 16]));
        let none = Sampler { by_parent: false, ratio: 0.0 };
        assert!(!none.takes(Some(&parent("01")), &[0; 16]));
    }
}
