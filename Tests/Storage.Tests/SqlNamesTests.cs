namespace RagPlatform.Storage.Tests;

public sealed class SqlNamesTests
{
    [Theory]
    [InlineData("DELETE FROM documents WHERE workspace_id = $1 AND document_id = $2", "DocumentStore.Delete")]
    // A constant with its placeholder filled in, and one that something was added to.
    [InlineData("DROP INDEX CONCURRENTLY IF EXISTS vectors_ab_hnsw", ".Drop")]
    [InlineData("DELETE FROM documents WHERE workspace_id = $1 AND document_id = $2 AND revision = $3", "DocumentStore.Delete")]
    [InlineData("\n  select 1 FROM things t", "SELECT things")]
    [InlineData("insert INTO some.table VALUES ('secret')", "INSERT some.table")]
    [InlineData("VACUUM (ANALYZE)", "VACUUM")]
    [InlineData("", "SQL")]
    public void Find_Statement_SaysStoreAndOperationOrVerbAndTable(string sql, string expected) =>
        Assert.Contains(expected, SqlNames.Find(sql), StringComparison.Ordinal);
}
