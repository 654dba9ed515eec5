using RagPlatform.SearchApi.Problems;

namespace RagPlatform.SearchApi.Tests.Problems;

public sealed class PathGuardTests
{
    [Theory]
    [InlineData("/v1/workspaces/docs")]
    [InlineData("/a%2Fb%20c")]
    [InlineData("/%C3%A9/%F0%9F%99%82")]
    public void IsValid_PercentEncodedUtf8_IsRight(string path) => Assert.True(PathGuard.IsValid(path));

    [Theory]
    [InlineData("/%FF")]
    [InlineData("/%C3")]
    [InlineData("/%ED%A0%80")] // half of a surrogate pair
    [InlineData("/%C0%AF")] // an overlong slash
    [InlineData("/%zz")]
    [InlineData("/100%")]
    public void IsValid_WhatIsNoUtf8_IsWrong(string path) => Assert.False(PathGuard.IsValid(path));
}
