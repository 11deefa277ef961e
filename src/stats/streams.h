/* Which `prompt` field of the random number's key (base/rng.h, SLK_PURPOSE_BOOTSTRAP) stands for what, so that no two
 * uses share numbers. Internal to stats/ (and its tests). Append, never renumber. */
#ifndef SLK_STATS_STREAMS_H
#define SLK_STATS_STREAMS_H

enum {
    SLK_STREAM_CLUSTERS = 0, /* a replicate's clusters */
    SLK_STREAM_FACTS = 1,    /* a replicate's facts */
    SLK_STREAM_PARTS = 2,    /* order of facts before they are cut into parts */
};

#endif
