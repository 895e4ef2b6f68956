//! Steal time: what a virtual machine's host keeps from it. Others on the same host may have its processors for a minute
//! and more, in which nothing here can be on time.

use std::fs;

/// What the processors have done since the machine started, in ticks of all of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Processors {
    worked: u64,
    stolen: u64,
}

impl Processors {
    /// Now. Where nothing says how they do, as on another system than Linux, nothing is stolen.
    #[must_use]
    pub fn read() -> Self {
        fs::read_to_string("/proc/stat").ok().and_then(|text| Self::of(&text)).unwrap_or_default()
    }

    /// From the first line of proc(5)'s `stat`: user, nice, system, idle, iowait, irq, softirq, steal.
    fn of(text: &str) -> Option<Self> {
        let ticks: Vec<u64> =
            text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().flat_map(str::parse).collect();
        let [user, nice, system, _, _, irq, softirq, stolen] = *ticks.first_chunk()?;
        Some(Self { worked: user + nice + system + irq + softirq, stolen })
    }

    /// The part that was stolen since `before` of what was wanted, 0 to 1.
    #[must_use]
    pub fn stolen_since(self, before: Self) -> f64 {
        let stolen = self.stolen.saturating_sub(before.stolen);
        let wanted = stolen + self.worked.saturating_sub(before.worked);
        let [stolen, wanted] = [stolen, wanted].map(|ticks| u32::try_from(ticks).unwrap_or(u32::MAX));
        if wanted == 0 { 0.0 } else { f64::from(stolen) / f64::from(wanted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stolen_is_a_part_of_what_is_wanted() {
        let before = Processors { worked: 153, stolen: 7 };
        assert!((Processors { worked: 228, stolen: 32 }.stolen_since(before) - 0.25).abs() < 1e-9);
        assert!(before.stolen_since(before).abs() < 1e-9);
    }

    #[test]
    fn the_first_line_counts_for_all_processors() {
        let read = Processors::of("cpu  100 0 50 900 10 1 2 7 0 0\ncpu0 1 2 3\n");
        assert_eq!(read.map(|it| (it.worked, it.stolen)), Some((153, 7)));
        assert!(Processors::of("intr 5").is_none());
    }
}
