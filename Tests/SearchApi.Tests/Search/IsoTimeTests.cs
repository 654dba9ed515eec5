using System.Globalization;
using RagPlatform.SearchApi.Search;

namespace RagPlatform.SearchApi.Tests.Search;

public sealed class IsoTimeTests
{
    [Theory]
    [InlineData("2026-11-26", "2026-11-26T00:00:00.0000000")]
    [InlineData("20261126", "2026-11-26T00:00:00.0000000")]
    [InlineData("2026-11-26T10", "2026-11-26T10:00:00.0000000")]
    [InlineData("2026-11-26T10:05", "2026-11-26T10:05:00.0000000")]
    [InlineData("2026-11-26T10:05:06Z", "2026-11-26T10:05:06.0000000")]
    [InlineData("20261126T100506Z", "2026-11-26T10:05:06.0000000")]
    [InlineData("2026-11-26T10:05:06.123456789Z", "2026-11-26T10:05:06.1234567")]
    [InlineData("2026-11-26T10:05:06,5+01:30", "2026-11-26T08:35:06.5000000")]
    [InlineData("2026-11-26T23:00-0200", "2026-11-27T01:00:00.0000000")]
    [InlineData("2024-02-29T00:00+01", "2024-02-28T23:00:00.0000000")]
    public void TryParse_OfIso8601_ReadsIt(string text, string expected) =>
        Assert.Equal(DateTimeOffset.ParseExact(expected + "Z", "O", CultureInfo.InvariantCulture), IsoTime.TryParse(text));

    [Theory]
    [InlineData("02/03/2026")]
    [InlineData("1/2")]
    [InlineData("12:00")]
    [InlineData("T12:00")]
    [InlineData("Nov 26")]
    [InlineData("26 November 2026")]
    [InlineData("2026")]
    [InlineData("2026-11")]
    [InlineData("2026-1-2")]
    [InlineData("2026-13-01")]
    [InlineData("2026-02-29")]
    [InlineData("2026-11-26 10:05")]
    [InlineData("2026-11-26T24:00")]
    [InlineData("2026-11-26T10:60")]
    [InlineData("2026-11-26T10:05:06.")]
    [InlineData("2026-11-26T10:05+25:00")]
    [InlineData("0001-01-01T00:00+01:00")]
    [InlineData("9999-12-31T23:00-01:00")]
    [InlineData("2026-11-26\n")]
    [InlineData(" 2026-11-26")]
    [InlineData("\u0662\u0660\u0662\u0666-11-26")]
    [InlineData("1764150000")]
    [InlineData("")]
    public void TryParse_OfAnythingElse_RefusesIt(string text) => Assert.Null(IsoTime.TryParse(text));
}
