use std::collections::{BTreeMap, BTreeSet};

use values::{LocationId, Quantity};

/// Copies of an offer in one location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    /// Where they lie.
    pub(crate) location: LocationId,
    /// How many.
    pub(crate) quantity: u32,
}

/// A line of an order, with where its copies are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Copies.
    pub(crate) quantity: Quantity,
    /// Free copies of the offer, by location.
    pub(crate) free: &'a BTreeMap<LocationId, i64>,
}

/// Chooses where the lines that one shop is to send come from: as few locations in all as possible, so that few parcels
/// are packed. Within these each line takes from as few as it can.
///
/// Exact up to [`TRIED`] locations with stock; of more it drops one after the other that the rest can do without.
///
/// # Errors
/// The places of the lines that have too few copies, in all locations together.
pub(crate) fn pick(lines: &[Wanted<'_>]) -> Result<Vec<Vec<Pick>>, Vec<usize>> {
    let everywhere = |_| true;
    let picks: Vec<_> = lines.iter().map(|line| pick_line(line, everywhere)).collect();
    let short: Vec<_> = (0..lines.len()).filter(|&line| picks[line].is_none()).collect();
    if !short.is_empty() {
        return Err(short);
    }
    let picks: Vec<Vec<Pick>> = picks.into_iter().flatten().collect();
    let used: BTreeSet<LocationId> = picks.iter().flatten().map(|pick| pick.location).collect();
    let least = picks.iter().map(Vec::len).max().unwrap_or_default();
    if used.len() <= least {
        return Ok(picks);
    }
    let chosen = fewer(lines, &used, least);
    let chosen = chosen.and_then(|chosen| {
        lines.iter().map(|line| pick_line(line, |location| chosen.contains(&location))).collect()
    });
    Ok(chosen.unwrap_or(picks))
}

/// Up to so many locations every set of them is tried: 256, while others wait for these shelves.
const TRIED: usize = 8;

/// Locations that have all lines, fewer than the `used` ones; `None` if there are none.
fn fewer(lines: &[Wanted<'_>], used: &BTreeSet<LocationId>, least: usize) -> Option<BTreeSet<LocationId>> {
    let stocked: BTreeSet<LocationId> = (lines.iter())
        .flat_map(|line| line.free.iter().filter(|&(_, &copies)| copies > 0).map(|(&location, _)| location))
        .collect();
    if stocked.len() > TRIED {
        let mut kept = used.clone();
        for location in used {
            kept.remove(location);
            if !suffices(lines, &kept) {
                kept.insert(*location);
            }
        }
        return (kept.len() < used.len()).then_some(kept);
    }
    let subset = |set: u32| -> BTreeSet<LocationId> {
        stocked.iter().enumerate().filter(|(place, _)| set & (1 << place) != 0).map(|(_, &id)| id).collect()
    };
    (least..used.len()).find_map(|size| {
        (0_u32..1 << stocked.len())
            .filter(|set| set.count_ones() as usize == size)
            .map(subset)
            .find(|set| suffices(lines, set))
    })
}

fn suffices(lines: &[Wanted<'_>], locations: &BTreeSet<LocationId>) -> bool {
    lines.iter().all(|line| {
        let free = |location| line.free.get(location).map_or(0, |&copies| copies.max(0));
        locations.iter().map(free).sum::<i64>() >= i64::from(line.quantity.get())
    })
}

/// Takes from the fullest location as long as none has enough for what is left, and then empties the smallest that
/// has: no choice needs fewer. `None` if there are not enough copies in all.
fn pick_line(line: &Wanted<'_>, from: impl Fn(LocationId) -> bool) -> Option<Vec<Pick>> {
    let mut rooms: Vec<(LocationId, i64)> = (line.free.iter())
        .map(|(&location, &copies)| (location, copies))
        .filter(|&(location, copies)| copies > 0 && from(location))
        .collect();
    rooms.sort_by_key(|&(location, copies)| (copies, location));

    let mut picks = Vec::new();
    let mut left = line.quantity.get();
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

    fn quantity(copies: i32) -> Quantity {
        Quantity::try_from(copies).expect("a quantity")
    }

    fn rooms(copies: &[i64]) -> BTreeMap<LocationId, i64> {
        copies.iter().map(|&copies| (LocationId::new(), copies)).collect()
    }

    fn quantities(free: &BTreeMap<LocationId, i64>, wanted: i32) -> Option<Vec<u32>> {
        let line = Wanted { quantity: quantity(wanted), free };
        Some(pick(&[line]).ok()?.concat().into_iter().map(|pick| pick.quantity).collect())
    }

    #[test]
    fn the_smallest_location_with_enough_copies_gives_them_all() {
        let free = rooms(&[9, 4, 3]);
        let picks = pick(&[Wanted { quantity: quantity(4), free: &free }]).expect("enough copies");
        assert_eq!(picks[0].len(), 1);
        assert_eq!(free[&picks[0][0].location], 4);
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

    #[test]
    fn every_line_that_is_short_is_told() {
        let (much, little) = (rooms(&[9, 9]), rooms(&[1]));
        let line = |free, copies| Wanted { quantity: quantity(copies), free };
        assert_eq!(pick(&[line(&little, 2), line(&much, 2), line(&little, 3)]), Err(vec![0, 2]));
    }

    /// How many of the locations the picks are from.
    fn parcels(picks: &[Vec<Pick>]) -> usize {
        picks.iter().flatten().map(|pick| pick.location).collect::<BTreeSet<_>>().len()
    }

    #[test]
    fn of_many_locations_those_are_left_out_that_the_others_can_do_without() {
        let locations: Vec<_> = (0..12).map(|_| LocationId::new()).collect();
        // Each line has a room of its own with just enough, and the last room has enough of all.
        let stock: Vec<BTreeMap<_, _>> =
            (0..11).map(|line| BTreeMap::from([(locations[line], 1), (locations[11], 9)])).collect();
        let lines: Vec<_> = stock.iter().map(|free| Wanted { quantity: quantity(2), free }).collect();
        assert_eq!(pick(&lines).map(|picks| parcels(&picks)), Ok(1));
    }

    /// The least number of locations that have all lines, by trying every set of them.
    fn fewest(stock: &[(Vec<i64>, i32)], locations: usize) -> Option<u32> {
        let has = |set: u32, (copies, wanted): &(Vec<i64>, i32)| {
            let chosen = copies.iter().enumerate().filter(|(index, _)| set & (1 << index) != 0);
            chosen.map(|(_, copies)| copies).sum::<i64>() >= i64::from(*wanted)
        };
        (0_u32..1 << locations)
            .filter(|&set| stock.iter().all(|line| has(set, line)))
            .map(u32::count_ones)
            .min()
    }

    proptest! {
        #[test]
        fn picks_are_complete_within_what_is_free_and_from_the_fewest_locations(
            stock in (1_usize..7).prop_flat_map(|locations| prop::collection::vec(
                (prop::collection::vec(0_i64..20, locations), 1_i32..40), 1..5,
            )),
        ) {
            let locations: Vec<_> = stock[0].0.iter().map(|_| LocationId::new()).collect();
            let free: Vec<BTreeMap<_, _>> = (stock.iter())
                .map(|(copies, _)| locations.iter().copied().zip(copies.iter().copied()).collect())
                .collect();
            let lines: Vec<_> = (stock.iter().zip(&free))
                .map(|((_, wanted), free)| Wanted { quantity: quantity(*wanted), free })
                .collect();
            let picks = pick(&lines).ok();
            let least = fewest(&stock, locations.len()).map(|least| least as usize);
            prop_assert_eq!(picks.as_deref().map(parcels), least);
            for (line, picks) in lines.iter().zip(picks.iter().flatten()) {
                prop_assert_eq!(picks.iter().map(|pick| pick.quantity).sum::<u32>(), line.quantity.get());
                let mut from = BTreeSet::new();
                for pick in picks {
                    prop_assert!(pick.quantity > 0 && i64::from(pick.quantity) <= line.free[&pick.location]);
                    prop_assert!(from.insert(pick.location), "one pick a location");
                }
            }
        }
    }
}
