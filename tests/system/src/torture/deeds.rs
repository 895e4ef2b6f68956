use rand::{Rng, SeedableRng, rngs::StdRng};

/// The books of the shop that visitors buy in.
pub(super) const BOOKS: usize = 3;

/// What a visitor does. `back` names one of the orders that the person has placed, the last one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Books and copies.
    Order {
        lines: Vec<(usize, i32)>,
        by_card: bool,
    },
    /// The same request once more.
    OrderAgain {
        back: usize,
    },
    Cancel {
        back: usize,
    },
    Look {
        back: usize,
    },
    Watch {
        back: usize,
    },
    Browse,
    /// To a name with this number.
    Rename {
        number: u32,
    },
    /// To another address, which orders go to from now on.
    Move {
        city: u32,
    },
    /// Corrects the address.
    Redirect {
        city: u32,
    },
    SignInAgain,
    SignOut,
    /// Deletes the account; the next deed is somebody else's.
    Leave,
}

/// A pure function of its seed: it looks at no answer.
#[derive(Debug)]
pub(super) struct Deeds(StdRng);

impl Deeds {
    pub(super) fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }
}

impl Iterator for Deeds {
    type Item = Deed;

    fn next(&mut self) -> Option<Deed> {
        let Self(dice) = self;
        let back = dice.random_range(0..4);
        let number = dice.random_range(0..1_000);
        Some(match dice.random_range(0..100) {
            0..42 => {
                let first = dice.random_range(0..BOOKS);
                let lines = (0..dice.random_range(1..=BOOKS))
                    .map(|next| ((first + next) % BOOKS, dice.random_range(1..=3)))
                    .collect();
                Deed::Order { lines, by_card: dice.random_range(0..3) == 0 }
            }
            42..47 => Deed::OrderAgain { back },
            47..56 => Deed::Cancel { back },
            56..64 => Deed::Look { back },
            64..68 => Deed::Watch { back },
            68..76 => Deed::Browse,
            76..81 => Deed::Rename { number },
            81..86 => Deed::Move { city: number },
            86..91 => Deed::Redirect { city: number },
            91..94 => Deed::SignInAgain,
            94..96 => Deed::SignOut,
            _ => Deed::Leave,
        })
    }
}
