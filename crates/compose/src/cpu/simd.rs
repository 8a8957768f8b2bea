//! The same code for better processors. Loops over pixels are plain Rust that the compiler makes vectors of; what it
//! may assume about the processor decides how wide they are.

/// Defines a function twice: for any processor, and on x86-64 also for one with AVX2, taken where there is one.
macro_rules! fast {
    ($(#[$doc:meta])* fn $name:ident $(<const $n:ident: $nt:ty>)? ($($arg:ident: $type:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        fn $name $(<const $n: $nt>)? ($($arg: $type),*) {
            #[inline(always)]
            fn portable $(<const $n: $nt>)? ($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide $(<const $n: $nt>)? ($($arg: $type),*) {
                    portable$(::<$n>)?($($arg),*);
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    #[expect(unsafe_code, reason = "the compiler cannot know what processor it will be")]
                    // SAFETY: it has just been found to have AVX2, and `wide` asks for nothing else.
                    return unsafe { wide$(::<$n>)?($($arg),*) };
                }
            }
            portable$(::<$n>)?($($arg),*);
        }
    };
}

pub(crate) use fast;
