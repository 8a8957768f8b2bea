//! Walks boxes (ISO/IEC 14496-12, 4.2) without trusting a byte: every size is checked, and nothing recurses, so
//! that no input can overflow the stack.

/// One box.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoxRef<'a> {
    /// Its four-character code.
    pub kind: [u8; 4],
    /// All of it.
    pub whole: &'a [u8],
    /// What follows size and kind.
    pub body: &'a [u8],
}

/// Bytes of a box's size and kind.
pub(crate) const HEADER: usize = 8;

/// The box at the beginning of `bytes`, if all of it is there. Boxes of 64-bit size or "to the end of the file" are
/// never written into inits and chunks, so they are not boxes here.
pub(crate) fn first(bytes: &[u8]) -> Option<BoxRef<'_>> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    let kind = *rest.first_chunk::<4>()?;
    let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
    let whole = bytes.get(..size)?;
    Some(BoxRef { kind, whole, body: whole.get(HEADER..)? })
}

/// The boxes of `bytes`, up to the first that is not whole.
pub(crate) fn each(mut bytes: &[u8]) -> impl Iterator<Item = BoxRef<'_>> {
    std::iter::from_fn(move || {
        let found = first(bytes)?;
        bytes = &bytes[found.whole.len()..];
        Some(found)
    })
}

/// The first box of this kind in `bytes`.
pub(crate) fn find<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<BoxRef<'a>> {
    each(bytes).find(|found| found.kind == *kind)
}

/// The first box at the end of a path of kinds.
pub(crate) fn find_path<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<BoxRef<'a>> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(bytes, |bytes, kind| Some(find(bytes, kind)?.body))?;
    find(parent, last)
}

/// Two bytes at `offset`, big-endian.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(offset..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_whole_boxes_only() {
        let bytes =
            [&[0, 0, 0, 9][..], b"aaaa", b"x", &[0, 0, 0, 8], b"bbbb", &[0, 0, 0, 20], b"cccc"].concat();
        let kinds: Vec<_> = each(&bytes).map(|found| (found.kind, found.body.len())).collect();
        assert_eq!(kinds, [(*b"aaaa", 1), (*b"bbbb", 0)]);
        assert!(find(&bytes, b"cccc").is_none());
    }

    #[test]
    fn sizes_that_lie_are_no_boxes() {
        for size in [0u32, 1, 7, u32::MAX] {
            assert!(first(&[&size.to_be_bytes()[..], b"aaaa", &[0; 32]].concat()).is_none(), "{size}");
        }
        assert!(first(&[0, 0, 0]).is_none());
    }
}
