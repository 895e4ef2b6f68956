use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use anyhow::{Context as _, Result};
use events::{DeadLetter, DeadLetters, DiscardError, HandleError, ReplayError, State, Verdict};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use testkit::{publish, publish_as, publish_bytes};
use values::{DeadLetterId, EventId, page::PageSize};

use crate::{
    consuming::all_acknowledged,
    recorder::{Fate, Recorder},
    shop::{Shop, placed, quick},
};

/// A shop with one dead letter, whose cause can be mended.
struct Grave {
    shop: Shop,
    letters: DeadLetters,
    recorder: Recorder,
    event: EventId,
    is_mended: Arc<AtomicBool>,
}

impl Grave {
    async fn dig(fate: Fate) -> Result<Self> {
        let is_mended = Arc::new(AtomicBool::new(false));
        let mended = is_mended.clone();
        let recorder = Recorder::new(move |_| if mended.load(Relaxed) { Fate::Effect } else { fate.clone() });
        Self::dig_for(recorder, is_mended).await
    }

    async fn dig_for(recorder: Recorder, is_mended: Arc<AtomicBool>) -> Result<Self> {
        let shop = Shop::open().await?;
        let letters = DeadLetters::new(shop.db.clone());
        letters.register(Arc::new(recorder.clone()));
        let event = publish(&shop.broker, "a", 7, &placed("a")).await?;
        let consumer = shop.start_consumer(&recorder, quick()).await?;
        shop.number_becomes("SELECT count(*) FROM dead_letters", 1).await?;
        all_acknowledged(&shop).await?;
        consumer.stop().await?;
        Ok(Self { shop, letters, recorder, event, is_mended })
    }

    fn mend(&self) {
        self.is_mended.store(true, Relaxed);
    }

    async fn letter(&self) -> Result<DeadLetter> {
        let (mut listed, next) = self.letters.list(None, PageSize::parse(0)?, true).await?;
        anyhow::ensure!(listed.len() == 1 && next.is_none());
        self.letters.get(listed.remove(0).id).await?.context("it is gone")
    }

    async fn effects(&self) -> Result<i64> {
        self.shop.number("SELECT count(*) FROM effects").await
    }
}

fn rejected() -> Fate {
    Fate::Verdict(Verdict::Reject("another currency".to_owned()))
}

#[tokio::test]
async fn a_dead_letter_is_shown_with_all_that_is_known_of_it() -> Result<()> {
    let grave = Grave::dig(rejected()).await?;
    let letter = grave.letter().await?;
    assert_eq!(letter.consumer, "test_order_placed");
    assert_eq!(letter.event_id, grave.event);
    assert_eq!(letter.subject, "bookstore.order.v1.placed");
    assert_eq!(letter.aggregate_id, "a");
    assert_eq!(letter.error, "another currency");
    assert_eq!(letter.attempts, 1);
    assert_eq!((letter.state, letter.resolved_at), (State::Dead, None));
    assert_eq!(letter.headers["ce-sequence"], "7");
    assert_eq!(letter.payload_json().as_deref(), Some(r#"{"orderId":"a"}"#));
    Ok(())
}

#[tokio::test]
async fn a_dead_letter_is_replayed_once_its_cause_is_mended() -> Result<()> {
    let grave = Grave::dig(rejected()).await?;
    let letter = grave.letter().await?;
    let again = grave.letters.replay(letter.id).await;
    assert!(matches!(&again, Err(ReplayError::Again(reason)) if reason == "another currency"), "{again:?}");
    assert_eq!(grave.letter().await?, letter, "it stays as it was");
    assert_eq!(grave.shop.number("SELECT count(*) FROM inbox").await?, 0);

    grave.mend();
    let replayed = grave.letters.replay(letter.id).await?;
    assert_eq!(replayed.state, State::Replayed);
    assert!(replayed.resolved_at.is_some());
    assert_eq!(grave.effects().await?, 1);
    assert_eq!(grave.recorder.committed(), ["a"], "the relay hears of what follows from it");

    assert_eq!(grave.letters.replay(letter.id).await?, replayed);
    assert_eq!(grave.effects().await?, 1);
    let refused = grave.letters.discard(letter.id).await;
    assert!(matches!(refused, Err(DiscardError::Replayed)), "{refused:?}");

    publish_as(&grave.shop.broker, grave.event, "a", 7, &placed("a")).await?;
    let _consumer = grave.shop.start_consumer(&grave.recorder, quick()).await?;
    all_acknowledged(&grave.shop).await?;
    assert_eq!(grave.effects().await?, 1, "a repeat from the broker does nothing");
    Ok(())
}

#[tokio::test]
async fn replays_at_the_same_time_have_one_effect() -> Result<()> {
    let grave = Grave::dig(rejected()).await?;
    let letter = grave.letter().await?;
    grave.mend();
    let before = grave.recorder.batches().len();
    let replays = futures::future::join_all((0..4).map(|_| grave.letters.replay(letter.id))).await;
    for replay in replays {
        assert_eq!(replay?.state, State::Replayed);
    }
    assert_eq!(grave.effects().await?, 1);
    assert_eq!(grave.recorder.batches().len(), before + 1, "the others did not even run");
    Ok(())
}

#[tokio::test]
async fn a_discard_waits_for_a_replay_that_is_under_way() -> Result<()> {
    let grave = Grave::dig(rejected()).await?;
    let id = grave.letter().await?.id;
    grave.mend();
    let slow = grave.shop.db.begin().await?;
    slow.execute_unprepared("LOCK TABLE effects IN EXCLUSIVE MODE").await?;
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let discard = async {
        grave.shop.number_becomes(waiting, 1).await?;
        anyhow::Ok(grave.letters.discard(id).await)
    };
    let end = async {
        grave.shop.number_becomes(waiting, 2).await?;
        anyhow::Ok(slow.commit().await?)
    };
    let (replayed, discarded, ended) = tokio::join!(grave.letters.replay(id), discard, end);
    ended?;
    assert_eq!(replayed?.state, State::Replayed);
    assert!(matches!(discarded?, Err(DiscardError::Replayed)));
    Ok(())
}

#[tokio::test]
async fn a_discarded_dead_letter_stays_so() -> Result<()> {
    let grave = Grave::dig(rejected()).await?;
    let id = grave.letter().await?.id;
    grave.mend();
    let discarded = grave.letters.discard(id).await?;
    assert_eq!(discarded.state, State::Discarded);
    assert_eq!(grave.letters.discard(id).await?, discarded);
    assert!(matches!(grave.letters.replay(id).await, Err(ReplayError::Discarded)));
    assert_eq!(grave.letter().await?, discarded, "it stays readable");
    assert_eq!(grave.effects().await?, 0);
    let (listed, _) = grave.letters.list(None, PageSize::parse(0)?, false).await?;
    assert_eq!(listed, []);
    Ok(())
}

#[tokio::test]
async fn a_replay_that_fails_in_any_way_says_why_and_leaves_nothing() -> Result<()> {
    let failed = Fate::Break(HandleError::Failed("the shop burns".to_owned()));
    let fates = [
        (Fate::Verdict(Verdict::TooEarly), "what it refers to is not known here"),
        (failed, "the shop burns"),
        (Fate::WrongSql, "division by zero"),
        (Fate::Panic, "the handler panicked"),
    ];
    for (fate, expected) in fates {
        let fate_of_replay = fate.clone();
        let is_buried = Arc::new(AtomicBool::new(false));
        let buried = is_buried.clone();
        let fate = move |_: &str| if buried.load(Relaxed) { fate_of_replay.clone() } else { rejected() };
        let grave = Grave::dig_for(Recorder::new(fate), Arc::default()).await?;
        is_buried.store(true, Relaxed);
        let letter = grave.letter().await?;
        let outcome = grave.letters.replay(letter.id).await;
        assert!(matches!(&outcome, Err(ReplayError::Again(why)) if why.contains(expected)), "{outcome:?}");
        assert_eq!(grave.letter().await?, letter);
        assert_eq!(grave.shop.number("SELECT count(*) FROM inbox").await?, 0);
    }
    Ok(())
}

#[tokio::test]
async fn a_replay_without_an_answer_may_be_tried_again() -> Result<()> {
    let is_down = Arc::new(AtomicBool::new(false));
    let down = is_down.clone();
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = is_mended.clone();
    let recorder = Recorder::new(move |_| if mended.load(Relaxed) { Fate::Effect } else { rejected() })
        .preparing(move |_| {
            let error = HandleError::Unavailable("no answer".to_owned());
            if down.load(Relaxed) { Err(error) } else { Ok(()) }
        });
    let grave = Grave::dig_for(recorder, is_mended).await?;
    grave.mend();
    is_down.store(true, Relaxed);
    let letter = grave.letter().await?;
    let outcome = grave.letters.replay(letter.id).await;
    assert!(matches!(outcome, Err(ReplayError::Unavailable(_))), "{outcome:?}");
    assert_eq!(grave.letter().await?, letter);
    is_down.store(false, Relaxed);
    assert_eq!(grave.letters.replay(letter.id).await?.state, State::Replayed);
    Ok(())
}

#[tokio::test]
async fn what_another_replica_handled_after_all_is_not_handled_twice() -> Result<()> {
    let grave = Grave::dig(rejected()).await?;
    let letter = grave.letter().await?;
    grave.mend();
    let taken = "INSERT INTO inbox (consumer, event_id) SELECT consumer, event_id FROM dead_letters";
    grave.shop.database.execute(taken).await?;
    assert_eq!(grave.letters.replay(letter.id).await?.state, State::Replayed);
    assert_eq!(grave.effects().await?, 0);
    assert_eq!(grave.recorder.committed(), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn what_nobody_can_decode_or_handles_is_not_replayed() -> Result<()> {
    let shop = Shop::open().await?;
    let subject = "bookstore.order.v1.placed";
    publish_bytes(&shop.broker, subject, EventId::new(), "bad", 1, b"\xff\xff\xff".to_vec()).await?;
    let recorder = Recorder::plain();
    let _consumer = shop.start_consumer(&recorder, quick()).await?;
    shop.number_becomes("SELECT count(*) FROM dead_letters", 1).await?;

    let letters = DeadLetters::new(shop.db.clone());
    let (listed, _) = letters.list(None, PageSize::parse(0)?, false).await?;
    let id = listed.first().context("none is listed")?.id;
    assert!(matches!(letters.replay(id).await, Err(ReplayError::NoHandler)));
    letters.register(Arc::new(recorder));
    let outcome = letters.replay(id).await;
    assert!(matches!(&outcome, Err(ReplayError::Again(why)) if why.contains("is no")), "{outcome:?}");
    let letter = letters.get(id).await?.context("it is gone")?;
    assert_eq!((letter.payload.as_slice(), letter.payload_json()), (&b"\xff\xff\xff"[..], None));
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_not_found() -> Result<()> {
    let shop = Shop::open().await?;
    let (letters, id) = (DeadLetters::new(shop.db.clone()), DeadLetterId::new());
    assert_eq!(letters.get(id).await?, None);
    assert!(matches!(letters.replay(id).await, Err(ReplayError::NotFound)));
    assert!(matches!(letters.discard(id).await, Err(DiscardError::NotFound)));
    Ok(())
}

#[tokio::test]
async fn a_list_goes_on_from_page_to_page_oldest_first() -> Result<()> {
    let shop = Shop::open().await?;
    // As the release before writes them.
    let buried = "INSERT INTO dead_letters (consumer, event_id, subject, headers, payload, error, attempts)
        SELECT 'gone', gen_random_uuid(), 'bookstore.order.v1.placed', '{}', 'x', 'reason ' || number, 1
        FROM generate_series(1, 5) AS number ORDER BY number";
    shop.database.execute(buried).await?;
    let letters = DeadLetters::new(shop.db.clone());
    let (all, _) = letters.list(None, PageSize::parse(0)?, false).await?;
    letters.discard(all.get(1).context("too few")?.id).await?;

    for (include_resolved, expected) in [(false, &[1, 3, 4, 5][..]), (true, &[1, 2, 3, 4, 5])] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = letters.list(after, PageSize::parse(2)?, include_resolved).await?;
            assert!(page.len() == 2 || next.is_none());
            found.extend(page.into_iter().map(|letter| letter.error));
            match next {
                Some(_) => after = next,
                None => break,
            }
        }
        let expected: Vec<_> = expected.iter().map(|number| format!("reason {number}")).collect();
        assert_eq!(found, expected);
    }
    Ok(())
}
