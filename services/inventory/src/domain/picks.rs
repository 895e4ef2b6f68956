use std::collections::BTreeMap;

use values::{LocationId, Quantity};

/// Copies of an offer in one location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    /// Where they lie.
    pub(crate) location: LocationId,
    /// How many.
    pub(crate) quantity: u32,
}

/// Chooses where `wanted` copies come from: as few locations as possible, so that few parcels are packed.
///
/// Takes from the fullest location as long as none has enough for what is left, and then empties the smallest that
/// has. `None` if there are not enough copies in all.
#[must_use]
pub(crate) fn pick(free: &BTreeMap<LocationId, i64>, wanted: Quantity) -> Option<Vec<Pick>> {
    let mut rooms: Vec<(LocationId, i64)> = free
        .iter()
        .map(|(&location, &copies)| (location, copies))
        .filter(|&(_, copies)| copies > 0)
        .collect();
    rooms.sort_by_key(|&(location, copies)| (copies, location));

    let mut picks = Vec::new();
    let mut left = wanted.get();
    while left > 0 {
        let index = match rooms.iter().position(|&(_, copies)| copies >= i64::from(left)) {
            Some(smallest_sufficient) => smallest_sufficient,
            None => rooms.len().checked_sub(1)?,
        };
        let (location, copies) = rooms.remove(index);
        let quantity = u32::try_from(copies).map_or(left, |copies| copies.min(left));
        picks.push(Pick { location, quantity });
        left -= quantity;
    }
    Some(picks)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rooms(copies: &[i64]) -> BTreeMap<LocationId, i64> {
        copies.iter().map(|&copies| (LocationId::new(), copies)).collect()
    }

    fn quantities(free: &BTreeMap<LocationId, i64>, wanted: i32) -> Option<Vec<u32>> {
        let wanted = Quantity::try_from(wanted).expect("a quantity");
        Some(pick(free, wanted)?.into_iter().map(|pick| pick.quantity).collect())
    }

    #[test]
    fn the_smallest_location_with_enough_copies_gives_them_all() {
        let free = rooms(&[9, 4, 3]);
        let picks = pick(&free, Quantity::try_from(4).expect("a quantity")).expect("enough copies");
        assert_eq!(picks.len(), 1);
        assert_eq!(free[&picks[0].location], 4);
    }

    #[test]
    fn the_fullest_location_is_emptied_first_where_none_has_enough() {
        assert_eq!(quantities(&rooms(&[2, 5, 3]), 8), Some(vec![5, 3]));
    }

    #[test]
    fn too_few_copies_are_no_picks() {
        assert_eq!(quantities(&rooms(&[2, 5]), 8), None);
        assert_eq!(quantities(&rooms(&[]), 1), None);
        assert_eq!(quantities(&rooms(&[0, 0]), 1), None);
    }

    /// The least number of locations that have `wanted` copies, by trying every set of them.
    fn fewest(copies: &[i64], wanted: i64) -> Option<u32> {
        (0_u32..1 << copies.len())
            .filter(|set| {
                let chosen = copies.iter().enumerate().filter(|(index, _)| set & (1 << index) != 0);
                chosen.map(|(_, copies)| copies).sum::<i64>() >= wanted
            })
            .map(u32::count_ones)
            .min()
    }

    proptest! {
        #[test]
        fn picks_are_complete_within_what_is_free_and_from_the_fewest_locations(
            copies in prop::collection::vec(0_i64..40, 0..7),
            wanted in 1_i32..120,
        ) {
            let free = rooms(&copies);
            let picks = pick(&free, Quantity::try_from(wanted).expect("a quantity"));
            prop_assert_eq!(picks.as_ref().map(Vec::len), fewest(&copies, i64::from(wanted)).map(|least| least as usize));
            if let Some(picks) = picks {
                prop_assert_eq!(picks.iter().map(|pick| pick.quantity).sum::<u32>(), wanted.unsigned_abs());
                for pick in picks {
                    prop_assert!(pick.quantity > 0 && i64::from(pick.quantity) <= free[&pick.location]);
                }
            }
        }
    }
}
