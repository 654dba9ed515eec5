-- HNSW indexes of half precision, as an option of each space: half the size, and what they find is compared again by the vectors themselves.
-- Above 2,000 dimensions the vectors themselves are of half precision, and this changes nothing.
ALTER TABLE spaces ADD COLUMN half_index boolean NOT NULL DEFAULT false;
