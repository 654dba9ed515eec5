using Npgsql;
using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.ServiceDefaults.Tests.Connections;

public sealed class PostgresAddressTests
{
    [Theory]
    [InlineData("postgresql://db", "db", 5432, null, null, null)]
    [InlineData("postgres://me:pw@127.0.0.1:7000/rag", "127.0.0.1", 7000, "me", "pw", "rag")]
    [InlineData("postgresql://me@[::1]:7000/rag", "::1", 7000, "me", null, "rag")]
    [InlineData("postgresql://me:a%40b%3Ac%2Fd@db/my%20rag", "db", 5432, "me", "a@b:c/d", "my rag")]
    public void ToConnectionString_Address_SaysServerUserPasswordAndDatabase(
        string address, string host, int port, string? user, string? password, string? database)
    {
        var builder = new NpgsqlConnectionStringBuilder(PostgresAddress.ToConnectionString(address, "x"));

        Assert.Equal((host, port, user, password, database), (builder.Host, builder.Port, builder.Username, builder.Password, builder.Database));
    }

    [Fact]
    public void ToConnectionString_Parameters_AreThoseOfLibpq()
    {
        var builder = new NpgsqlConnectionStringBuilder(PostgresAddress.ToConnectionString(
            "postgresql://db/rag?sslmode=verify-full&application_name=one%20two&connect_timeout=7&target_session_attrs=read-write&Maximum%20Pool%20Size=9", "x"));

        Assert.Equal((SslMode.VerifyFull, "one two", 7, "read-write"), (builder.SslMode, builder.ApplicationName, builder.Timeout, builder.TargetSessionAttributes));
    }

    [Fact]
    public void ToConnectionString_Password_MayHaveEveryCharacterInBothForms()
    {
        var password = CacheEndpointTests.EveryCharacter;
        var own = new NpgsqlConnectionStringBuilder { Host = "::1", Username = password, Password = password }.ConnectionString;
        var escaped = Uri.EscapeDataString(password);

        foreach (var text in (string[])[own, $"postgresql://{escaped}:{escaped}@[::1]/"])
        {
            var builder = new NpgsqlConnectionStringBuilder(PostgresAddress.ToConnectionString(text, "x"));
            Assert.Equal(("::1", password, password), (builder.Host, builder.Username, builder.Password));
        }
    }

    [Theory]
    [InlineData("postgresql://me:secret@db/rag?nonsense=1")]
    [InlineData("postgresql://me:secret@db/rag?sslmode=maybe")]
    [InlineData("postgresql://:secret@")]
    public void ToConnectionString_Unreadable_IsRefusedWithoutShowingIt(string address)
    {
        var exception = Assert.Throws<InvalidOperationException>(() => PostgresAddress.ToConnectionString(address, "ConnectionStrings:ragdb"));

        Assert.Contains("ConnectionStrings:ragdb", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", exception.ToString(), StringComparison.Ordinal);
    }
}
