using RagPlatform.EmbeddingService.Providers;

namespace RagPlatform.EmbeddingService.Tests.Providers;

public sealed class ProviderExceptionTests
{
    [Theory]
    [InlineData(0, nameof(ProviderFailure.Transient))]
    [InlineData(408, nameof(ProviderFailure.Transient))]
    [InlineData(500, nameof(ProviderFailure.Transient))]
    [InlineData(503, nameof(ProviderFailure.Transient))]
    [InlineData(429, nameof(ProviderFailure.RateLimited))]
    [InlineData(400, nameof(ProviderFailure.Rejected))]
    [InlineData(413, nameof(ProviderFailure.Rejected))]
    [InlineData(422, nameof(ProviderFailure.Rejected))]
    [InlineData(401, nameof(ProviderFailure.Unusable))]
    [InlineData(404, nameof(ProviderFailure.Unusable))]
    [InlineData(409, nameof(ProviderFailure.Unusable))]
    public void Classify_Status_SaysWhetherTheSameCallMaySucceed(int status, string failure) =>
        Assert.Equal(failure, ProviderException.Classify(status).ToString());
}
