//! One input, cut into numbers and blocks. Lengths that say too much mean the rest, so that few inputs are useless.

/// What is left of an input.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte; zero where there is none.
    pub fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// The next eight bytes, little-endian.
    pub fn number(&mut self) -> i64 {
        i64::from_le_bytes(self.array())
    }

    /// The next two bytes, little-endian.
    pub fn small(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// What a block is, and its bytes; none at the end.
    pub fn block(&mut self) -> Option<(u8, &'a [u8])> {
        if self.0.is_empty() {
            return None;
        }
        let kind = self.byte();
        let length = usize::from(self.small());
        let (block, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        Some((kind, block))
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (found, rest) = self.0.split_at(N.min(self.0.len()));
        self.0 = rest;
        let mut array = [0; N];
        array[..found.len()].copy_from_slice(found);
        array
    }
}

/// Adds a block to an input that is being made.
pub fn put_block(out: &mut Vec<u8>, kind: u8, block: &[u8]) {
    let length = u16::try_from(block.len()).expect("seeds are small");
    out.push(kind);
    out.extend(length.to_le_bytes());
    out.extend(block);
}
