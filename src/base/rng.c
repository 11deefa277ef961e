#include "base/rng.h"

void slk_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k[2] = {key[0], key[1]};
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k[0], (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k[1], (uint32_t)a};
        for (int i = 0; i < 4; i++) c[i] = next[i];
        k[0] += 0x9E3779B9u; /* the golden ratio */
        k[1] += 0xBB67AE85u; /* sqrt(3) - 1 */
    }
    for (int i = 0; i < 4; i++) out[i] = c[i];
}

uint64_t slk_rng_u64(uint64_t seed, slk_purpose purpose, uint64_t fact, uint32_t prompt, uint32_t sample, uint32_t step)
{
    uint32_t counter[4] = {(uint32_t)fact, (uint32_t)(fact >> 32), prompt << 16 | (sample & 0xFFFF), step};
    uint32_t key[2] = {(uint32_t)seed ^ (uint32_t)purpose * 0x9E3779B9u, (uint32_t)(seed >> 32)};
    uint32_t out[4];
    slk_philox(out, counter, key);
    return (uint64_t)out[1] << 32 | out[0];
}

double slk_rng_uniform(uint64_t seed, slk_purpose purpose, uint64_t fact, uint32_t prompt, uint32_t sample, uint32_t step)
{
    return (double)(slk_rng_u64(seed, purpose, fact, prompt, sample, step) >> 11) * 0x1p-53;
}
