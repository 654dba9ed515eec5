namespace RagPlatform.Storage.Tests;

public sealed class SqlNamesTests
{
    [Theory]
    [InlineData("DELETE FROM cooldowns WHERE space_id = $1", "TaskQueue.WarmUp")]
    // A constant with its placeholder filled in, and one that something was added to.
    [InlineData("ALTER TABLE vectors_ab SET (parallel_workers = 0)", "ALTER vectors_ab")]
    [InlineData("DELETE FROM cooldowns WHERE space_id = $1 AND until < now()", "TaskQueue.WarmUp")]
    // Several stores have it.
    [InlineData("SELECT raise_generations($1)", "RaiseGenerations")]
    [InlineData("\n  select 1 FROM things t", "SELECT things")]
    [InlineData("insert INTO some.table VALUES ('secret')", "INSERT some.table")]
    [InlineData("VACUUM (ANALYZE)", "VACUUM")]
    [InlineData("", "SQL")]
    public void Find_Statement_SaysStoreAndOperationOrVerbAndTable(string sql, string expected) =>
        Assert.Equal(expected, SqlNames.Find(sql));
}
