//! Figures that a feed lacks, computed from one that it has: the same on every machine, every time.

use std::str::FromStr;

/// `5.00..40.00`: figures from one to another, with as many decimals as were typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Range {
    /// In the last decimal.
    low: u64,
    high: u64,
    decimals: u32,
}

/// What a price may have at most.
const DECIMALS: usize = 2;

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no range; one looks like 5.00..40.00");
        let (low, high) = text.split_once("..").ok_or_else(wrong)?;
        let decimals = decimals(low).max(decimals(high));
        // Each is written with as many as the other.
        if decimals > DECIMALS {
            return Err(wrong());
        }
        let range = Self {
            low: figure(low, decimals).ok_or_else(wrong)?,
            high: figure(high, decimals).ok_or_else(wrong)?,
            decimals: u32::try_from(decimals).map_err(|_| wrong())?,
        };
        if range.low > range.high {
            return Err(format!("`{text}` ends before it begins"));
        }
        Ok(range)
    }
}

impl Range {
    /// The figure of `value`; `purpose` sees to it that two ranges over one column are not alike.
    pub(super) fn of(self, purpose: &str, value: &str) -> String {
        let figure = match (self.high - self.low).checked_add(1) {
            Some(many) => self.low + spread(purpose, value) % many,
            None => spread(purpose, value),
        };
        let scale = 10_u64.pow(self.decimals);
        match usize::try_from(self.decimals) {
            Ok(width) if width > 0 => format!("{}.{:0width$}", figure / scale, figure % scale),
            _ => figure.to_string(),
        }
    }

    /// Whether its figures are whole numbers.
    pub(super) const fn is_whole(self) -> bool {
        self.decimals == 0
    }
}

fn decimals(figure: &str) -> usize {
    figure.split_once('.').map_or(0, |(_, decimals)| decimals.len())
}

/// In the last of so many decimals.
fn figure(text: &str, decimals: usize) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) {
        return None;
    }
    format!("{whole}{part:0<decimals$}").parse().ok()
}

/// FNV-1a over the purpose, a zero and the value, then the last steps of `MurmurHash3`, which spread it into every bit.
fn spread(purpose: &str, value: &str) -> u64 {
    let bytes = purpose.bytes().chain([0]).chain(value.bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    #[test]
    fn a_figure_is_the_same_on_every_machine() {
        assert_eq!(spread("price", "1"), 0xde24_42ee_3ab4_2637);
        assert_eq!(range("5.00..40.00").of("price", "1"), "5.56");
        assert_eq!(range("0..20").of("stock", "1"), "16");
    }

    #[test]
    fn figures_fill_their_range_and_never_leave_it() {
        let range = range("0.5..1.25");
        let mut seen = std::collections::BTreeSet::new();
        for value in 0..5_000 {
            seen.insert(range.of("price", &value.to_string()));
        }
        assert_eq!(seen.len(), 76, "{seen:?}");
        assert_eq!((seen.first().unwrap().as_str(), seen.last().unwrap().as_str()), ("0.50", "1.25"));
    }

    #[test]
    fn what_is_computed_for_two_purposes_is_not_alike() {
        let range = range("0..99");
        let alike = (0..1_000).filter(|value| {
            let value = value.to_string();
            range.of("price", &value) == range.of("stock", &value)
        });
        assert!(alike.count() < 50);
    }

    #[test]
    fn the_widest_range_holds_every_figure() {
        assert_eq!(range("0..18446744073709551615").of("stock", "7"), spread("stock", "7").to_string());
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "5", "5..", "..5", "a..b", "5.001..6", "-1..5", "1e3..1e4", "9..5", "5...6", "+1..2"]
        {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
        // More than a figure can be filled up to.
        assert!(format!("1..1.{}", "0".repeat(70_000)).parse::<Range>().is_err());
        assert!(range("3..3").is_whole() && !range("3..3.5").is_whole());
    }
}
