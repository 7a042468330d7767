//! Status lists (draft-ietf-oauth-status-list §4): one bit a token, compressed, in shards. Knows neither who signs a
//! list nor why a bit is set; the times here are those that every part must agree on.

use chrono::TimeDelta;
use miniz_oxide::DataFormat;
use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, TDEFLStatus, compress_to_output,
};

/// How many indexes one list has. Uncompressed it takes 16 KiB.
pub const SHARD: i64 = 1 << 17;

/// `ttl` of a list, and the most that `Cache-Control` allows: what a revocation needs to reach a verifier, beside
/// the poll of the node. A shorter one costs every verifier a request more, for seconds.
pub const TTL: TimeDelta = TimeDelta::minutes(1);

/// `exp` of a list after its `iat`: how long verifiers go on without news while the database, and so every new list,
/// is away. Longer than a restart or a failover takes; as long as an access token lives by default, so that even
/// then a stolen one does not outlive what a verifier without lists would have accepted.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// How long after its `exp` a lenient verifier may still take a token.
pub const LEEWAY: TimeDelta = TimeDelta::minutes(5);

/// How far apart two clocks may be: the most that `keys.clock_skew` may say.
pub const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(10);

/// The longest life that `tokens.access_token_ttl` may say.
pub const LONGEST_TOKEN: TimeDelta = TimeDelta::hours(24);

/// How long a grant may give tokens after the last time that its row tells: the most that
/// `tokens.refresh_retry_window` may say.
pub const LONGEST_RETRY: TimeDelta = TimeDelta::hours(1);

/// How long after the end of a grant some verifier may still take a token of it that lives `token`: so long its bit
/// is set.
pub fn shown_for(token: TimeDelta) -> TimeDelta {
    token + LEEWAY + CLOCK_SKEW
}

/// How long after the last token of an index was made, of which none lives longer than `token`, the index may be
/// another's: no verifier takes the token, and none holds a list any more in which its bit was set.
pub fn reusable_after(token: TimeDelta) -> TimeDelta {
    shown_for(token) + LIFETIME + TTL
}

/// A place in the lists, counted over all shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusIndex(i64);

impl StatusIndex {
    /// The index as stored. `None` if it is negative, which none of ours is.
    pub fn new(index: i64) -> Option<Self> {
        (index >= 0).then_some(Self(index))
    }

    /// The index of `position` in `shard`. `None` if there is no such place.
    pub fn of(shard: i64, position: u32) -> Option<Self> {
        let in_shard = shard >= 0 && i64::from(position) < SHARD;
        let first = shard.checked_mul(SHARD).filter(|_| in_shard)?;
        first.checked_add(i64::from(position)).map(Self)
    }

    /// The index as stored.
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// The list that it is in.
    pub const fn shard(self) -> i64 {
        self.0 / SHARD
    }

    /// `idx`, its place in that list.
    pub fn position(self) -> u32 {
        u32::try_from(self.0 % SHARD).expect("a remainder is less than 2^17")
    }
}

/// The bits of one shard: 1 is INVALID (§7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusBits(Vec<u8>);

impl Default for StatusBits {
    fn default() -> Self {
        Self(vec![0; usize::try_from(SHARD / 8).expect("16384")])
    }
}

impl StatusBits {
    /// Makes the token at `position` invalid; one beyond the shard is none.
    pub fn set(&mut self, position: u32) {
        if let Some(byte) = self.0.get_mut(position as usize / 8) {
            *byte |= 1 << (position % 8);
        }
    }

    /// Whether the token at `position` is invalid. The least significant bit of a byte comes first (§4.1).
    pub fn is_set(&self, position: u32) -> bool {
        let byte = self.0.get(position as usize / 8);
        byte.is_some_and(|byte| byte >> (position % 8) & 1 == 1)
    }

    /// How many tokens are invalid.
    pub fn count(&self) -> usize {
        self.0.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// The bits as the list has them: DEFLATE in ZLIB's format (§4.1, RFC 1950, 1951), at the highest level, and by
    /// whichever strategy makes them smallest. Matches serve bits that are few or stand together; where they are
    /// many and stand anywhere, matches only get in the way of the entropy code.
    pub fn compressed(&self) -> Vec<u8> {
        [CompressionStrategy::Default, CompressionStrategy::HuffmanOnly]
            .into_iter()
            .map(|strategy| deflate(&self.0, strategy))
            .min_by_key(Vec::len)
            .expect("two strategies are tried")
    }

    /// The bits of a list of ours. `None` if it is none.
    pub fn read(compressed: &[u8]) -> Option<Self> {
        let length = Self::default().0.len();
        let bits = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(compressed, length).ok()?;
        (bits.len() == length).then_some(Self(bits))
    }
}

fn deflate(bits: &[u8], strategy: CompressionStrategy) -> Vec<u8> {
    const HIGHEST: u8 = 10;
    let mut compressor = CompressorOxide::with_params(DataFormat::Zlib, HIGHEST, strategy, 15);
    let mut out = Vec::with_capacity(1024);
    let (status, _) = compress_to_output(&mut compressor, bits, TDEFLFlush::Finish, |bytes| {
        out.extend_from_slice(bytes);
        true
    });
    assert!(status == TDEFLStatus::Done, "a vector takes all that is written");
    out
}

#[cfg(test)]
mod tests;
