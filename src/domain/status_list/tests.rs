use super::*;
use crate::random::{Random, SeededRandom};

/// The list of `count` places of `shards` shards, chosen at random.
fn random_lists(count: usize, shards: usize, seed: u64) -> Vec<StatusBits> {
    let random = SeededRandom::new(seed);
    let mut lists = vec![StatusBits::default(); shards];
    let mut set = 0;
    while set < count {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        let place = u64::from_le_bytes(bytes) % (shards as u64 * SHARD.unsigned_abs());
        let index = StatusIndex::new(i64::try_from(place).expect("small")).expect("not negative");
        let list = &mut lists[usize::try_from(index.shard()).expect("small")];
        if !list.is_set(index.position()) {
            list.set(index.position());
            set += 1;
        }
    }
    lists
}

/// The fewest bytes that tell which `count` of `n` places are set, as the entropy of each place says.
#[expect(clippy::cast_precision_loss, reason = "less than 2^52")]
fn entropy_bound(count: usize, n: usize) -> f64 {
    let p = count as f64 / n as f64;
    n as f64 * -(p * p.log2() + (1.0 - p) * (1.0 - p).log2()) / 8.0
}

#[test]
fn the_bits_of_the_drafts_example_stand_where_it_says() {
    // draft-ietf-oauth-status-list §4.1: sixteen statuses of one bit are the bytes 0xB9 0xA3.
    let mut bits = StatusBits::default();
    for position in [0, 3, 4, 5, 7, 8, 9, 13, 15] {
        bits.set(position);
    }
    assert_eq!(bits.0[..3], [0xb9, 0xa3, 0]);
    assert!(bits.is_set(7) && !bits.is_set(6));
    assert_eq!(bits.count(), 9);
    assert!(!bits.is_set(u32::MAX), "there is no such token");
    bits.set(u32::MAX);
    assert_eq!(bits.count(), 9);
    // §4.2: that example's `lst` is these two bytes in ZLIB's format.
    let lst = [0x78, 0xda, 0xdb, 0xb9, 0x18, 0x00, 0x02, 0x17, 0x01, 0x5d];
    let two = miniz_oxide::inflate::decompress_to_vec_zlib(&lst).expect("ZLIB");
    assert_eq!(two, [0xb9, 0xa3]);
}

#[test]
fn an_index_is_a_shard_and_a_position() {
    for (index, shard, position) in [
        (0, 0, 0),
        (131_071, 0, 131_071),
        (131_072, 1, 0),
        (5 * 131_072 + 7, 5, 7),
        (i64::MAX, i64::MAX / SHARD, 131_071),
    ] {
        let index = StatusIndex::new(index).expect("not negative");
        assert_eq!((index.shard(), index.position()), (shard, position));
        assert_eq!(StatusIndex::of(shard, position), Some(index));
    }
    assert_eq!(StatusIndex::new(-1), None);
    for (shard, position) in [(-1, 0), (0, 131_072), (0, u32::MAX), (i64::MAX, 0)] {
        assert_eq!(StatusIndex::of(shard, position), None, "{shard} {position}");
    }
}

#[test]
fn what_is_compressed_is_read_again_and_nothing_else_is() {
    for (seed, count) in [0, 1, 100, 5_000, 60_000, 131_072].into_iter().enumerate() {
        let list = random_lists(count, 1, seed as u64).remove(0);
        let compressed = list.compressed();
        assert_eq!(compressed[0], 0x78, "ZLIB with a window of 32 KiB");
        assert_eq!(StatusBits::read(&compressed), Some(list));
        assert_eq!(StatusBits::read(&compressed[..compressed.len() - 1]), None);
    }
    for wrong in [&[0; 100][..], &[0xff; 16_384], &[]] {
        let compressed = miniz_oxide::deflate::compress_to_vec_zlib(wrong, 6);
        assert_eq!(StatusBits::read(&compressed).is_some(), wrong.len() == 16_384);
        assert_eq!(StatusBits::read(wrong), None);
    }
    // A bomb is not inflated.
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 1 << 24], 9);
    assert_eq!(StatusBits::read(&bomb), None);
}

#[test]
fn a_hundred_thousand_revocations_a_day_stay_far_below_20_kb() {
    // Of tokens that live ten minutes those of 25 minutes are shown.
    let shown = shown_for(TimeDelta::minutes(10));
    let at_once = usize::try_from(100_000 * shown.num_minutes() / (24 * 60)).expect("small");
    assert_eq!(at_once, 1736);
    // In one list, and spread over the lists of ten million grants.
    for shards in [1, 8, 77] {
        let lists = random_lists(at_once, shards, 1);
        let all: usize = lists.iter().map(|list| list.compressed().len()).sum();
        println!("{at_once} of {shards} lists: {all} bytes");
        assert!(all < 20_000, "{all} bytes of {shards} lists");
    }
}

#[test]
fn a_hundred_thousand_at_once_stay_near_the_entropy_bound() {
    for shards in [1, 2, 4, 8, 12] {
        let lists = random_lists(100_000, shards, 2);
        let all: usize = lists.iter().map(|list| list.compressed().len()).sum();
        let bound = entropy_bound(100_000, shards << 17);
        #[expect(clippy::cast_precision_loss, reason = "less than 2^52")]
        let ratio = all as f64 / bound;
        println!("100,000 of {shards} lists: {all} bytes, {ratio:.3} of the bound");
        assert!(
            ratio < 1.1,
            "{all} bytes of {shards} lists: {ratio:.3} of the bound"
        );
    }
}

#[test]
fn an_index_waits_until_no_list_shows_its_last_token() {
    let token = TimeDelta::minutes(10);
    let last_list = shown_for(token) + LIFETIME.max(TTL);
    assert!(shown_for(token) >= token + LEEWAY + CLOCK_SKEW);
    assert!(reusable_after(token) >= last_list + TTL);
}
