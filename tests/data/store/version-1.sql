-- A store of schema version 1, as slick 0.1.0 wrote it (sqlite3 slick.db .dump): 2 facts, 2 labels.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE fact_set (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  content_hash INTEGER NOT NULL, -- of all facts with splits, subjects, aliases and order: equal hash, equal set
  n_facts INTEGER NOT NULL,
  report TEXT NOT NULL,          -- JSON: what the import read, removed and kept
  created TEXT NOT NULL,         -- UTC, 2026-01-31T12:00:00Z
  version TEXT NOT NULL          -- of slick
);
INSERT INTO fact_set VALUES(1,'tiny',-3309876630073840119,2,'{"read":{"train":0,"dev":1,"test":1},"removed":{"ood_train":{"train":0,"dev":0,"test":0},"multi_answer":{"train":0,"dev":0,"test":0},"overlap":{"train":0,"dev":0,"test":0},"duplicate":{"train":0,"dev":0,"test":0}},"kept":{"train":0,"dev":1,"test":1},"overlap":"subject","disputed_questions":0,"disputed_facts":0,"with_subject":0,"relations":[{"relation":"R","ood":false,"read":{"train":0,"dev":1,"test":1},"removed":{"ood_train":{"train":0,"dev":0,"test":0},"multi_answer":{"train":0,"dev":0,"test":0},"overlap":{"train":0,"dev":0,"test":0},"duplicate":{"train":0,"dev":0,"test":0}},"kept":{"train":0,"dev":1,"test":1}}]}','2026-11-25T16:43:26Z','0.1.0');
CREATE TABLE fact (
  set_id INTEGER NOT NULL REFERENCES fact_set(id) ON DELETE CASCADE,
  fact_id INTEGER NOT NULL,      -- identity: hash of relation, question and answers
  position INTEGER NOT NULL,     -- place in the set, from 0, as imported
  relation TEXT NOT NULL,        -- '' when the data has none
  question TEXT NOT NULL,
  subject TEXT,                  -- NULL when unknown
  answers TEXT NOT NULL,         -- JSON array; the first is canonical, all are true
  aliases TEXT NOT NULL,         -- JSON array of other spellings that match, too
  split TEXT NOT NULL CHECK (split IN ('train', 'dev', 'test')),
  ood INTEGER NOT NULL,          -- 1: out of distribution, only ever tested
  PRIMARY KEY (set_id, fact_id),
  UNIQUE (set_id, position)
);
INSERT INTO fact VALUES(1,-7308126275853223960,0,'R','Q1?',NULL,'["A1"]','[]','test',0);
INSERT INTO fact VALUES(1,-6995379055877157404,1,'R','Q2?',NULL,'["A2"]','[]','dev',0);
CREATE TABLE label_set (
  id INTEGER PRIMARY KEY,        -- what --labels takes
  settings TEXT NOT NULL UNIQUE, -- JSON of all the columns up to template_hash: the key
  set_id INTEGER NOT NULL REFERENCES fact_set(id),
  model_name TEXT NOT NULL,
  model_hash INTEGER NOT NULL,
  adapter_hash INTEGER NOT NULL, -- 0: no adapter
  dtype TEXT NOT NULL,           -- compute type: bf16, f32
  kernels TEXT NOT NULL,         -- kernel set: labels are bit-identical within one
  seed INTEGER NOT NULL,
  n_ex INTEGER NOT NULL,         -- prompts per fact
  n_shots INTEGER NOT NULL,      -- exemplars per prompt
  n_samples INTEGER NOT NULL,    -- sampled answers per prompt
  top_k INTEGER NOT NULL,
  temperature REAL NOT NULL,
  match TEXT NOT NULL,           -- em, strict, contains, f1:X
  decoded TEXT NOT NULL,         -- none, greedy, all: which wrong answers have their text recorded
  pool TEXT NOT NULL,            -- split that the exemplars come from
  template_hash INTEGER NOT NULL,
  created TEXT NOT NULL,
  version TEXT NOT NULL
);
INSERT INTO label_set VALUES(1,'{"model_name":"made-up","model_hash":"0000000000001234","adapter_hash":"0000000000000000","dtype":"f32","kernels":"avx512","seed":"7","n_ex":4,"n_shots":2,"n_samples":3,"top_k":40,"temperature":"0.5","match":"em","decoded":"all","set":"tiny","pool":"dev","template_hash":"0000000000000000"}',1,'made-up',4660,0,'f32','avx512',7,4,2,3,40,0.5,'em','all','dev',0,'2026-11-25T16:44:30Z','0.1.0');
CREATE TABLE prompt (
  label_set_id INTEGER NOT NULL REFERENCES label_set(id) ON DELETE CASCADE,
  relation TEXT NOT NULL,
  fact_id INTEGER NOT NULL,
  prompt INTEGER NOT NULL,       -- 0 .. n_ex - 1
  exemplars TEXT NOT NULL,       -- JSON array of fact_id
  text TEXT NOT NULL,            -- what stands before the question asked
  PRIMARY KEY (label_set_id, relation, fact_id, prompt)
) WITHOUT ROWID;
CREATE TABLE label (
  label_set_id INTEGER NOT NULL REFERENCES label_set(id) ON DELETE CASCADE,
  fact_id INTEGER NOT NULL,
  unlabelable INTEGER NOT NULL,  -- 1: no answer could match (line break, or too long); bits are all 0
  n_ex INTEGER NOT NULL,
  n_samples INTEGER NOT NULL,
  n_greedy INTEGER NOT NULL,     -- correct greedy answers, of n_ex
  n_sampled INTEGER NOT NULL,    -- correct sampled answers, of n_ex * n_samples
  p_gold REAL NOT NULL,          -- mean of p_gold_each
  greedy BLOB NOT NULL,          -- bit e: the greedy answer to prompt e is correct (bit 0 = lowest of byte 0)
  sampled BLOB NOT NULL,         -- bit e * n_samples + s: sampled answer s to prompt e is correct
  p_gold_each BLOB NOT NULL,     -- n_ex float64, little-endian: probability of the canonical gold path
  PRIMARY KEY (label_set_id, fact_id)
) WITHOUT ROWID;
INSERT INTO label VALUES(1,-7308126275853223960,0,4,3,4,12,0.25,X'0f',X'ff0f',X'9a9999999999b93f9a9999999999c93f343333333333d33f9a9999999999d93f');
INSERT INTO label VALUES(1,-6995379055877157404,0,4,3,2,0,0.25,X'03',X'0000',X'9a9999999999b93f9a9999999999c93f343333333333d33f9a9999999999d93f');
CREATE TABLE answer (
  label_set_id INTEGER NOT NULL,
  fact_id INTEGER NOT NULL,
  position INTEGER NOT NULL,     -- in the order of first occurrence
  text TEXT NOT NULL,
  match INTEGER NOT NULL,        -- 1: correct
  n_greedy INTEGER NOT NULL,     -- greedy draws that gave it
  n_sampled INTEGER NOT NULL,    -- sampled draws that gave it
  draws BLOB NOT NULL,           -- which draws: ascending numbers prompt * (n_samples + 1) + k, k = 0 for greedy,
                                 -- 1 + s for sample s; the first as it stands, then differences; 7 bits a byte,
                                 -- low ones first, bit 7 set when more follow
  PRIMARY KEY (label_set_id, fact_id, position),
  FOREIGN KEY (label_set_id, fact_id) REFERENCES label(label_set_id, fact_id) ON DELETE CASCADE
) WITHOUT ROWID;
INSERT INTO answer VALUES(1,-7308126275853223960,0,'A1',1,4,12,X'00010101010101010101010101010101');
INSERT INTO answer VALUES(1,-6995379055877157404,0,'A2',1,2,0,X'0004');
INSERT INTO answer VALUES(1,-6995379055877157404,1,'it is A2, says 0',0,0,3,X'010101');
INSERT INTO answer VALUES(1,-6995379055877157404,2,'it is A2, says 1',0,0,3,X'050101');
INSERT INTO answer VALUES(1,-6995379055877157404,3,'it is A2, says 2',0,1,3,X'08010101');
INSERT INTO answer VALUES(1,-6995379055877157404,4,'it is A2, says 3',0,1,3,X'0c010101');
CREATE VIEW labels_view AS
SELECT l.label_set_id, s.model_name, t.name AS set_name, f.position, printf('%016x', l.fact_id) AS fact, f.relation,
       f.split, f.ood, f.subject, f.question, json_extract(f.answers, '$[0]') AS answer,
       CASE WHEN l.unlabelable THEN 'Unlabelable' WHEN l.n_greedy = l.n_ex THEN 'HighlyKnown'
            WHEN l.n_greedy > 0 THEN 'MaybeKnown' WHEN l.n_sampled > 0 THEN 'WeaklyKnown' ELSE 'Unknown' END AS category,
       1.0 * l.n_greedy / l.n_ex AS p_greedy,
       CASE WHEN l.n_samples > 0 THEN 1.0 * l.n_sampled / (l.n_ex * l.n_samples) ELSE 0.0 END AS p_sampled, l.p_gold
FROM label l JOIN label_set s ON s.id = l.label_set_id JOIN fact_set t ON t.id = s.set_id
     JOIN fact f ON f.set_id = s.set_id AND f.fact_id = l.fact_id;
CREATE VIEW answers_view AS
SELECT a.label_set_id, f.relation, f.split, f.question, json_extract(f.answers, '$[0]') AS answer, a.text, a.match,
       a.n_greedy, a.n_sampled
FROM answer a JOIN label_set s ON s.id = a.label_set_id JOIN fact f ON f.set_id = s.set_id AND f.fact_id = a.fact_id;
COMMIT;
PRAGMA application_id = 0x736C636B;
PRAGMA user_version = 1;
