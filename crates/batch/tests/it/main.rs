//! The mechanics of group commit, with a step that waits for the test at every batch.

mod scripted;
mod spans;

use std::{pin::pin, task::Poll, time::Duration};

use anyhow::{Context as _, Result};
use batch::{Batcher, Limits, SubmitError};
use futures::{future::join_all, poll};

use crate::scripted::{Fault, Scripted, answers};

const LIMITS: Limits = Limits { max_batch: 4, max_queue: 8, overtaken_after: None };

#[tokio::test]
async fn a_lone_caller_waits_for_nothing() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let mut call = pin!(batcher.submit(7));
    assert!(poll!(&mut call).is_pending());

    let run = runs.next().await?;
    assert_eq!(run.items, [7]);
    run.finish(Ok(answers(&[7])));
    assert_eq!(call.await, Ok(70));
    Ok(())
}

#[tokio::test]
async fn batches_form_while_the_previous_one_runs_and_keep_the_order_and_the_bound() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let mut first = pin!(batcher.submit(0));
    assert!(poll!(&mut first).is_pending());
    let running = runs.next().await?;

    let mut later = pin!(join_all((1..=6).map(|item| batcher.submit(item))));
    assert!(poll!(&mut later).is_pending());
    running.finish(Ok(answers(&[0])));

    let second = runs.next().await?;
    assert_eq!(second.items, [1, 2, 3, 4]);
    second.finish(Ok(answers(&[1, 2, 3, 4])));
    let third = runs.next().await?;
    assert_eq!(third.items, [5, 6]);
    third.finish(Ok(answers(&[5, 6])));

    assert_eq!(first.await, Ok(0));
    assert_eq!(later.await, (1..=6).map(|item| Ok(item * 10)).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_takes_too_long_is_overtaken_and_still_answers() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let limits = Limits { overtaken_after: Some(Duration::from_secs(1)), ..LIMITS };
    let batcher = Batcher::spawn("test", step, limits);
    let mut slow = pin!(batcher.submit(1));
    assert!(poll!(&mut slow).is_pending());
    let hanging = runs.next().await?;

    let mut quick = pin!(batcher.submit(2));
    assert!(poll!(&mut quick).is_pending());
    // Its caller waits for a second and no longer.
    let second = runs.next().await?;
    assert_eq!(second.items, [2]);
    second.finish(Ok(answers(&[2])));
    assert_eq!(quick.await, Ok(20));

    hanging.finish(Ok(answers(&[1])));
    assert_eq!(slow.await, Ok(10));
    Ok(())
}

#[tokio::test]
async fn a_caller_who_left_before_the_batch_began_is_not_in_it() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let mut first = pin!(batcher.submit(0));
    assert!(poll!(&mut first).is_pending());
    let running = runs.next().await?;

    let mut leaves = Box::pin(batcher.submit(1));
    let mut stays = pin!(batcher.submit(2));
    assert!(poll!(&mut leaves).is_pending());
    assert!(poll!(&mut stays).is_pending());
    drop(leaves);
    running.finish(Ok(answers(&[0])));

    let second = runs.next().await?;
    assert_eq!(second.items, [2]);
    second.finish(Ok(answers(&[2])));
    assert_eq!(stays.await, Ok(20));
    Ok(())
}

#[tokio::test]
async fn a_caller_who_leaves_during_the_transaction_does_not_stop_it() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let mut leaves = Box::pin(batcher.submit(1));
    assert!(poll!(&mut leaves).is_pending());
    let running = runs.next().await?;
    drop(leaves);

    running.finish(Ok(answers(&[1])));
    assert_eq!(runs.ended().await?, [1]);
    Ok(())
}

#[tokio::test]
async fn a_full_queue_is_refused_at_once() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let mut first = pin!(batcher.submit(0));
    assert!(poll!(&mut first).is_pending());
    let _running = runs.next().await?;

    let mut queued = pin!(join_all((1..=8).map(|item| batcher.submit(item))));
    assert!(poll!(&mut queued).is_pending());
    assert_eq!(poll!(pin!(batcher.submit(9))), Poll::Ready(Err(SubmitError::QueueFull)));
    Ok(())
}

#[tokio::test]
async fn one_bad_item_fails_alone() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let mut calls = pin!(join_all((1..=4).map(|item| batcher.submit(item))));
    assert!(poll!(&mut calls).is_pending());

    let mut seen = Vec::new();
    for _ in 0..5 {
        let run = runs.next().await?;
        seen.push(run.items.clone());
        let result = if run.items.contains(&3) { Err(Fault::OfAnItem) } else { Ok(answers(&run.items)) };
        run.finish(result);
    }
    assert_eq!(seen, [vec![1, 2, 3, 4], vec![1, 2], vec![3, 4], vec![3], vec![4]]);
    assert_eq!(calls.await, [Ok(10), Ok(20), Err(SubmitError::Failed(Fault::OfAnItem)), Ok(40)]);
    Ok(())
}

#[tokio::test]
async fn a_caller_who_leaves_between_the_halves_is_dropped_from_the_second() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let mut first = pin!(batcher.submit(1));
    let mut leaves = Box::pin(batcher.submit(2));
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut leaves).is_pending());

    runs.next().await?.finish(Err(Fault::OfAnItem));
    let alone = runs.next().await?;
    assert_eq!(alone.items, [1]);
    drop(leaves);
    alone.finish(Ok(answers(&[1])));
    assert_eq!(first.await, Ok(10));

    let mut next = pin!(batcher.submit(5));
    assert!(poll!(&mut next).is_pending());
    assert_eq!(runs.next().await?.items, [5]);
    Ok(())
}

#[tokio::test]
async fn an_outage_is_answered_to_all_who_wait_and_nothing_is_halved() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let mut calls = pin!(join_all((1..=4).map(|item| batcher.submit(item))));
    assert!(poll!(&mut calls).is_pending());
    let run = runs.next().await?;
    let mut behind = pin!(batcher.submit(5));
    assert!(poll!(&mut behind).is_pending());

    run.finish(Err(Fault::Outage));
    assert_eq!(calls.await, [const { Err(SubmitError::Failed(Fault::Outage)) }; 4]);
    assert_eq!(behind.await, Err(SubmitError::Failed(Fault::Outage)));

    let mut after = pin!(batcher.submit(6));
    assert!(poll!(&mut after).is_pending());
    let run = runs.next().await?;
    assert_eq!(run.items, [6]);
    run.finish(Ok(answers(&[6])));
    assert_eq!(after.await, Ok(60));
    Ok(())
}

#[tokio::test]
async fn an_outage_between_the_halves_is_answered_to_the_other_half_too() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let mut calls = pin!(join_all((1..=4).map(|item| batcher.submit(item))));
    assert!(poll!(&mut calls).is_pending());

    runs.next().await?.finish(Err(Fault::OfAnItem));
    let half = runs.next().await?;
    assert_eq!(half.items, [1, 2]);
    half.finish(Err(Fault::Outage));
    assert_eq!(calls.await, [const { Err(SubmitError::Failed(Fault::Outage)) }; 4]);
    Ok(())
}

#[tokio::test]
async fn a_panic_over_one_item_spares_its_neighbours_and_the_worker() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let mut calls = pin!(join_all((1..=2).map(|item| batcher.submit(item))));
    assert!(poll!(&mut calls).is_pending());

    for _ in 0..3 {
        let run = runs.next().await?;
        let result = if run.items.contains(&1) { Err(Fault::Panic) } else { Ok(answers(&run.items)) };
        run.finish(result);
    }
    assert_eq!(calls.await, [Err(SubmitError::Broken), Ok(20)]);

    let mut after = pin!(batcher.submit(3));
    assert!(poll!(&mut after).is_pending());
    runs.next().await?.finish(Ok(answers(&[3])));
    assert_eq!(after.await, Ok(30));
    Ok(())
}

#[tokio::test]
async fn a_step_that_answers_too_few_outcomes_answers_nobody_wrongly() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let mut calls = pin!(join_all((1..=2).map(|item| batcher.submit(item))));
    assert!(poll!(&mut calls).is_pending());

    runs.next().await?.finish(Ok(answers(&[2])));
    assert_eq!(calls.await, [Err(SubmitError::Broken), Err(SubmitError::Broken)]);
    Ok(())
}

#[tokio::test]
async fn what_is_queued_is_done_although_the_last_handle_is_gone() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("test", step, LIMITS);
    let calls: Vec<_> = (1..=2)
        .map(|item| {
            let batcher = batcher.clone();
            tokio::spawn(async move { batcher.submit(item).await })
        })
        .collect();
    drop(batcher);

    let mut done = 0;
    while done < 2 {
        let run = runs.next().await?;
        done += run.items.len();
        let outcomes = answers(&run.items);
        run.finish(Ok(outcomes));
    }
    for (call, expected) in calls.into_iter().zip([10, 20]) {
        assert_eq!(call.await?, Ok(expected));
    }
    runs.worker_has_ended().await.context("the worker outlived its handles")
}
