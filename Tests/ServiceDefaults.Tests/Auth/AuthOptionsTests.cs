using Microsoft.Extensions.Options;
using RagPlatform.ServiceDefaults.Auth;

namespace RagPlatform.ServiceDefaults.Tests.Auth;

public sealed class AuthOptionsTests
{
    private readonly AuthOptionsValidator _validator = new();

    [Fact]
    public void Validate_NoKeyAtAll_SaysWhatToSet()
    {
        var result = _validator.Validate(null, new());

        Assert.True(result.Failed);
        Assert.Contains("Auth__AdminKey", result.FailureMessage, StringComparison.Ordinal);
        Assert.Contains("Auth__Disabled=true", result.FailureMessage, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0123456789abcdef", true)]
    [InlineData("0123456789abcde", false)]
    [InlineData("0123456789 abcdef", false)]
    [InlineData("", false)]
    public void Validate_Key_MustBeLongAndInOnePiece(string key, bool valid) =>
        Assert.Equal(valid, _validator.Validate(null, new() { AdminKey = key }).Succeeded);

    [Fact]
    public void Validate_FileThatIsNotThere_NamesIt()
    {
        var path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"), "key");

        var result = _validator.Validate(null, new() { AdminKeyFile = path });

        Assert.True(result.Failed);
        Assert.Contains(path, result.FailureMessage, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_Disabled_NeedsNoKey() => Assert.True(_validator.Validate(null, new() { Disabled = true }).Succeeded);

    [Theory]
    [InlineData(-1, false)]
    [InlineData(0, true)]
    [InlineData(600, true)]
    [InlineData(601, false)]
    public void Validate_KeyCacheDuration_HasARange(int seconds, bool valid) =>
        Assert.Equal(
            valid, _validator.Validate(null, new() { Disabled = true, KeyCacheDuration = TimeSpan.FromSeconds(seconds) }).Succeeded);

    [Theory]
    [InlineData("0123456789abcdef", true)]
    [InlineData("0123456789abcdeF", false)]
    [InlineData("0123456789abcdef0", false)]
    [InlineData("", false)]
    public void Matches_Presented_MustBeTheKey(string presented, bool expected) =>
        Assert.Equal(expected, new AdminKey(Options.Create(new AuthOptions { AdminKey = "0123456789abcdef" })).Matches(presented));

    [Fact]
    public void Matches_Disabled_IsNeverTheKey() =>
        Assert.False(
            new AdminKey(Options.Create(new AuthOptions { AdminKey = "0123456789abcdef", Disabled = true })).Matches("0123456789abcdef"));
}
