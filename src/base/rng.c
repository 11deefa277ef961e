#include "base/rng.h"

/* Constants of Philox4x32 (Salmon et al. 2011, section 4.1): two multipliers, and the Weyl increments of the key. */
#define PHILOX_M0     0xD2511F53u
#define PHILOX_M1     0xCD9E8D57u
#define PHILOX_W0     0x9E3779B9u
#define PHILOX_W1     0xBB67AE85u
#define PHILOX_ROUNDS 10

void slk_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint64_t slk_rng_u64(uint64_t seed, slk_purpose purpose, uint64_t fact, uint32_t prompt, uint32_t sample, uint32_t step)
{
    const uint32_t counter[4] = {(uint32_t)fact, (uint32_t)(fact >> 32), prompt << 16 | sample, step};
    const uint32_t key[2] = {(uint32_t)seed ^ (uint32_t)purpose * 0x9E3779B9u, (uint32_t)(seed >> 32)};
    uint32_t word[4];
    slk_philox(word, counter, key);
    return (uint64_t)word[1] << 32 | word[0];
}

double slk_rng_uniform(uint64_t seed, slk_purpose purpose, uint64_t fact, uint32_t prompt, uint32_t sample,
                       uint32_t step)
{
    return (double)(slk_rng_u64(seed, purpose, fact, prompt, sample, step) >> 11) * 0x1p-53;
}
