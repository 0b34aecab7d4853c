use std::collections::HashMap;

use or_protocol::ResponseId;
use pretty_assertions::assert_eq;

use super::*;
use crate::owners::OwnerLimits;

/// Of 8 places background responses may have 6, and each owner 4, with 3 in the background.
fn places(unfinished: &[(ResponseId, &str)]) -> Arc<Places> {
    let usual = OwnerLimits { max_concurrent: 4, max_background: 3, ..OwnerLimits::NONE };
    let whole = OwnerLimits::NONE;
    let owners = Owners::new(usual, HashMap::from([("whole".to_owned(), whole)]));
    let mut taken = Taken::default();
    for (id, owner) in unfinished {
        taken.by_owner.entry((*owner).to_owned()).or_default().unfinished.push_back(id.clone());
    }
    let (owners, taken, freed) = (Arc::new(owners), Mutex::new(taken), Notify::new());
    Arc::new(Places { limit: 8.into(), background_limit: 6.into(), owners, taken, freed })
}

/// Takes places one after the other, of `owner` and whether in the background; `want`: what becomes of the last.
#[track_caller]
fn check(asked: &[(&str, bool)], want: Result<(), Full>) {
    let places = places(&[]);
    let (last, before) = asked.split_last().unwrap();
    let held: Vec<_> =
        before.iter().map(|(owner, background)| places.take(owner, *background).unwrap()).collect();
    let got = places.take(last.0, last.1);
    assert_eq!(got.as_ref().map(|_| ()).map_err(|full| *full), want);
    drop((held, got));
    assert_eq!(places.count(), 0);
    assert!(places.taken().by_owner.is_empty());
}

fn several(count: usize, owner: &str, background: bool) -> Vec<(&str, bool)> {
    vec![(owner, background); count]
}

#[test]
fn an_owner_gets_its_share_and_no_more() {
    check(&several(4, "ann", false), Ok(()));
    check(&several(5, "ann", false), Err(Full::Key(4)));
    check(&[several(4, "ann", false), several(1, "bob", false)].concat(), Ok(()));
    check(&several(3, "ann", true), Ok(()));
    check(&several(4, "ann", true), Err(Full::KeyBackground(3)));
    check(&[several(3, "ann", true), several(1, "ann", false)].concat(), Ok(()));
}

#[test]
fn the_server_has_an_end_for_all_together() {
    let all = [several(4, "ann", false), several(4, "bob", false)].concat();
    check(&[all.clone(), several(1, "cyd", false)].concat(), Err(Full::Server));
    // Whose share is full as well hears of that.
    check(&[all, several(1, "bob", false)].concat(), Err(Full::Key(4)));
    check(&several(9, "whole", false), Err(Full::Server));
}

#[test]
fn background_responses_leave_places_to_those_who_wait() {
    let background = [several(3, "ann", true), several(3, "bob", true)].concat();
    check(&[background.clone(), several(1, "cyd", true)].concat(), Err(Full::Background));
    check(&[background, several(2, "cyd", false)].concat(), Ok(()));
    check(&several(7, "whole", true), Err(Full::Background));
}

fn ids(count: usize) -> Vec<ResponseId> {
    (0..count).map(|_| ResponseId::new()).collect()
}

#[test]
fn what_was_left_unfinished_goes_on_within_the_share_of_its_owner() {
    let ids = ids(6);
    let left: Vec<_> = ids.iter().map(|id| (id.clone(), "ann")).collect();
    let places = places(&left);
    let mut held = Vec::new();
    while let Next::Go(unfinished) = places.next_unfinished() {
        held.push(unfinished);
    }
    assert_eq!(held.iter().map(|one| one.id.clone()).collect::<Vec<_>>(), ids[..3]);
    // Others are served, and its owner as well, but for new background responses.
    assert!(places.take("bob", true).is_ok());
    assert!(places.take("ann", false).is_ok());
    held.clear();
    assert_eq!(places.take("ann", true).err(), Some(Full::KeyBackground(3)));
    for id in &ids[3..] {
        let Next::Go(next) = places.next_unfinished() else { panic!("it waits for nothing") };
        assert_eq!(next.id, *id);
    }
    assert!(matches!(places.next_unfinished(), Next::Done));
    assert!(places.take("ann", true).is_ok());
}

#[test]
fn owners_take_turns() {
    let ids = ids(4);
    let owners = ["ann", "ann", "bob", "bob"];
    let left: Vec<_> = ids.iter().cloned().zip(owners).collect();
    let places = places(&left);
    let mut held = Vec::new();
    while let Next::Go(unfinished) = places.next_unfinished() {
        held.push(unfinished);
    }
    let first_two: std::collections::BTreeSet<_> = held[..2].iter().map(|one| one.owner.as_str()).collect();
    assert_eq!(first_two.len(), 2);
}

#[test]
fn what_shall_end_does_not_wait_for_a_place() {
    let ids = ids(5);
    let left: Vec<_> = ids.iter().map(|id| (id.clone(), "ann")).collect();
    let places = places(&left);
    let mut held = Vec::new();
    while let Next::Go(unfinished) = places.next_unfinished() {
        held.push(unfinished);
    }
    places.hurry(&ids[4], "bob");
    assert!(matches!(places.next_unfinished(), Next::Wait));
    places.hurry(&ids[4], "ann");
    let Next::Go(next) = places.next_unfinished() else { panic!("it waits") };
    assert_eq!(next.id, ids[4]);
}
