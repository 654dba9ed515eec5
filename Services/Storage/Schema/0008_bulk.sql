-- Vectors do not get smaller by compression; trying costs more time than writing them.
ALTER TABLE prepared_chunks ALTER COLUMN vector SET STORAGE EXTERNAL;
